"""A FastAPI server with the generate-code route and an in-memory cache: the baseline for HAPA's cached answers."""

import os
from typing import Optional

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

app = FastAPI()
cache: dict[str, "Answer"] = {}


class Question(BaseModel):
    """A question, with the documented limits."""

    user_question: str = Field(min_length=1, max_length=10_000)
    code_context: Optional[str] = Field(default=None, max_length=50_000)
    language: str = "python"


class Answer(BaseModel):
    """An answer in the documented shape."""

    generated_code: str
    explanation: str
    status: str = "success"


@app.post("/api/v1/generate-code")
async def generate_code(question: Question, x_api_key: str = Header()) -> Answer:
    """Answers from the cache, which the first request fills."""
    if x_api_key != os.environ["PEER_KEY"]:
        raise HTTPException(401)
    key = question.model_dump_json()
    if key not in cache:
        cache[key] = Answer(
            generated_code="def remove_duplicates(lst):\n    return list(set(lst))",
            explanation="set()을 사용하여 중복을 제거합니다.",
        )
    return cache[key]
