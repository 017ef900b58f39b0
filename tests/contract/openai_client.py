"""Uses OpenAI's Python client; base URL and key come from the client's environment variables."""

import os

import openai

client = openai.OpenAI(max_retries=0)


def ask(text):
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


models = list(client.models.list())
assert [model.id for model in models] == ["scripted"], models
assert client.models.retrieve("scripted").object == "model"

answer = client.chat.completions.create(model="gpt-x", messages=ask("Flask"), seed=7, temperature=0, max_tokens=100)
assert answer.choices[0].message.content.startswith("```python\nfrom flask import Flask"), answer
assert answer.choices[0].finish_reason == "stop" and answer.model == "scripted", answer
assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens == 11, answer.usage

options = {"include_usage": True}
chunks = list(client.chat.completions.create(model="x", messages=ask("Flask"), stream=True, stream_options=options))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == answer.choices[0].message.content, text
assert chunks[-1].usage.total_tokens == 11 and not chunks[-1].choices, chunks[-1]

with client.chat.completions.stream(model="x", messages=ask("Flask")) as stream:
    assert stream.get_final_completion().choices[0].message.content == text

stopped = client.chat.completions.create(model="x", messages=ask("count"), stop=["three", "never"])
assert stopped.choices[0].message.content == "one two ", stopped
short = client.chat.completions.create(model="x", messages=ask("count"), max_completion_tokens=2)
assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("one two", "length"), short

gap = client.completions.create(model="x", prompt="def fibonacci(", suffix="\n\nprint(fibonacci(9))", max_tokens=2)
assert gap.choices[0].text == "n):", gap
pieces = client.completions.create(model="x", prompt="count", stream=True, stop="ee", extra_body={"ignore_eos": True})
assert "".join(piece.choices[0].text for piece in pieces) == "one two thr"

for key, question, expected in [
    ("hapa_0", "x", openai.AuthenticationError),
    (client.api_key, "x " * 5000, openai.BadRequestError),
]:
    try:
        client.with_options(api_key=key).chat.completions.create(model="x", messages=ask(question))
    except expected as error:
        assert error.code in ("invalid_api_key", "context_length_exceeded"), error.body
    else:
        raise AssertionError(expected)

limited = client.with_options(api_key=os.environ["LIMITED_KEY"])
limited.chat.completions.create(model="x", messages=ask("Flask"))
try:
    limited.chat.completions.create(model="x", messages=ask("Flask"))
except openai.RateLimitError as error:
    assert int(error.response.headers["retry-after"]) > 0 and error.type == "rate_limit_error", error.body
else:
    raise AssertionError("the limit")

try:
    client.embeddings.create(model="x", input="x")
except openai.NotFoundError as error:
    assert error.code == "not_found", error.body
else:
    raise AssertionError("embeddings must not be found")

stream = client.chat.completions.create(model="x", messages=ask("count"), stream=True)
for chunk in stream:
    if chunk.choices[0].delta.content == "ee four":
        break
stream.close()
print("all assertions passed")
