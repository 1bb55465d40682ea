@app.entrypoint
def stream_handler(payload):
    """Sync generator — also works for streaming."""
    for i in range(5):
        yield {"chunk": i}
