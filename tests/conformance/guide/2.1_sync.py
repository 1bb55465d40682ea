@app.entrypoint
def invoke(payload):  # Sync function — runs in executor
    return {"response": "Hello from sync handler"}
