// Uses OpenAI's Node.js client; base URL and key come from the client's environment variables.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const OpenAI = createRequire(`${process.env.OPENAI_FOLDER}/`)("openai").default;
const client = new OpenAI({ maxRetries: 0 });
const ask = (content) => [{ role: "system", content: "Be brief." }, { role: "user", content }];
const chat = (body, of = client) => of.chat.completions.create({ model: "x", ...body });

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models, ["scripted"]);

const answer = await chat({ messages: ask("Flask"), seed: 7, temperature: 0 });
const text = answer.choices[0].message.content;
assert.ok(text.startsWith("```python\nfrom flask import Flask"), text);
assert.equal(answer.choices[0].finish_reason, "stop");
assert.equal(answer.usage.total_tokens, 11);

let streamed = "";
let usage;
for await (const chunk of await chat({ messages: ask("Flask"), stream: true, stream_options: { include_usage: true } })) {
  streamed += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(streamed, text);
assert.equal(usage.total_tokens, 11);
const final = await client.chat.completions.stream({ model: "x", messages: ask("Flask") }).finalContent();
assert.equal(final, text);

const cut = await chat({ messages: ask("count"), stop: ["three", "never"] });
assert.equal(cut.choices[0].message.content, "one two ");
const gap = await client.completions.create({ model: "x", prompt: "def fibonacci(", suffix: "\n", max_tokens: 2 });
assert.equal(gap.choices[0].text, "n):");
let pieces = "";
for await (const piece of await client.completions.create({ model: "x", prompt: "count", stream: true, stop: "ee" })) {
  pieces += piece.choices[0].text;
}
assert.equal(pieces, "one two thr");

const wrong = new OpenAI({ apiKey: "hapa_0", maxRetries: 0 });
await assert.rejects(chat({ messages: ask("x") }, wrong), OpenAI.AuthenticationError);
await assert.rejects(chat({ messages: ask("x ".repeat(5000)) }), OpenAI.BadRequestError);
const limited = new OpenAI({ apiKey: process.env.LIMITED_KEY, maxRetries: 0 });
await chat({ messages: ask("Flask") }, limited);
await assert.rejects(chat({ messages: ask("Flask") }, limited), OpenAI.RateLimitError);
await assert.rejects(client.embeddings.create({ model: "x", input: "x" }), OpenAI.NotFoundError);

for await (const chunk of await chat({ messages: ask("count"), stream: true })) {
  if (chunk.choices[0].delta.content === "ee four") break; // leaving the loop drops the connection
}
console.log("all assertions passed");
