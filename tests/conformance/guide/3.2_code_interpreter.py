from bedrock_agentcore.tools.code_interpreter_client import CodeInterpreter, code_session

with code_session('us-west-2') as client:
    # Execute code in sandboxed environment
    result = client.execute_code("print('Hello from sandbox!')")

    # Install packages
    client.install_packages(['pandas', 'matplotlib'])

    # Upload files for processing
    client.upload_file('data.csv', csv_content, description='Sales data')

    # Execute code that uses the uploaded data
    result = client.execute_code("""
        import pandas as pd
        df = pd.read_csv('data.csv')
        print(df.describe())
    """)
