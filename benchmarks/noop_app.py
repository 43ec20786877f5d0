"""A FastAPI application with the no-op route alone, for a bare uvicorn."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    """What the gateway answers."""
    return {"status": "alive", "version": "0"}
