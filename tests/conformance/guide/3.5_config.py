from bedrock_agentcore.tools.config import (
    create_browser_config,
    NetworkConfiguration,
    ViewportConfiguration
)

config = create_browser_config(
    name="my_browser",
    execution_role_arn="arn:aws:iam::123456789012:role/BrowserRole",
    enable_web_bot_auth=True,
    enable_recording=True,
    recording_bucket="my-recordings",
)
