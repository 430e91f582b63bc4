"""The yardstick: a FastAPI handler that returns a dict, on uvicorn, tuned as the gateway is."""

import gc
from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/hello")
async def hello():
    return {"hello": "world"}
