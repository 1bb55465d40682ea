"""What the agent does.

    {"prompt": "Hello!"}                    is answered with {"response": "You said: Hello!"}
    {"prompt": "Hello!", "stream": true}    word by word, as Server-Sent Events
"""

import os

from bedrock_agentcore import BedrockAgentCoreApp

app = BedrockAgentCoreApp()


def words(text):
    """One event for each word: a model's tokens would go the same way."""
    for word in text.split():
        yield {"word": word}


@app.entrypoint
def invoke(payload):
    prompt = payload.get("prompt", "Hello!")
    app.logger.info("A prompt of %d characters", len(prompt))
    if payload.get("stream"):
        return words(prompt)

    # Your own logic comes here: ask a model, call tools, ...
    return {"response": f"You said: {prompt}"}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8080")))
