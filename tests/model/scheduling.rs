//! Concurrent requests: scheduling, the KV cache and its tiers, speculative decoding, and that none of them changes an answer.

use engine::{
    ChatMessage, ChunkReuse, DiskCacheOptions, Engine, EosPolicy, Error, Event, Options, Priority, Prompt,
    PromptAccepted, Request, Role, Speculation, Truncation, Usage,
};
use tests::TIMEOUT;
use tokio::time::timeout;

use super::{answer, chat, engine, loaded, model, options, request, turn};

/// Tolerance for log probabilities (natural logarithm) of the same computation: other sequences in the batch and positions in the
/// KV cache change the order of additions, and quantised models round the results.
const LOG_PROBABILITY_TOLERANCE: f32 = 0.25;

/// A greedy answer as tokens with their log probabilities.
async fn greedy_tokens(engine: &Engine, mut request: Request) -> (Vec<(String, f32)>, Usage) {
    request.logprobs = true;
    let mut running = engine.submit(request).unwrap();
    let mut tokens_of_answer = Vec::new();
    while let Some(event) = timeout(TIMEOUT, running.next()).await.expect("the model keeps generating") {
        match event.unwrap() {
            Event::Delta { text, logprob, tokens } if tokens > 0 => {
                tokens_of_answer.push((text, logprob.expect("probabilities were requested")));
            }
            Event::Done(summary) => return (tokens_of_answer, summary),
            _ => {}
        }
    }
    panic!("the answer ended without a summary")
}

/// Asserts that two greedy answers are the same, or diverge at tokens of nearly equal probability.
fn assert_same_tokens(a: &[(String, f32)], b: &[(String, f32)], what: &str) {
    for (a, b) in a.iter().zip(b) {
        let difference = (a.1 - b.1).abs();
        assert!(difference < LOG_PROBABILITY_TOLERANCE, "{what}: {a:?} and {b:?} differ by {difference}");
        if a.0 != b.0 {
            return;
        }
    }
}

const QUESTIONS: [&str; 4] = [
    "Write a function that adds two numbers.",
    "What is a list in Python?",
    "Explain what a loop does.",
    "Write a function that reverses a string.",
];

#[tokio::test]
async fn concurrent_sequences_do_not_change_an_answer() {
    let _turn = turn().await;
    let engine = loaded(Options { queue_capacity: 8, ..options(model()) }).await;
    let mut alone = Vec::new();
    for question in QUESTIONS {
        alone.push(greedy_tokens(&engine, request(question, 40)).await.0);
    }
    let together = QUESTIONS.map(|question| {
        let engine = engine.clone();
        tokio::spawn(async move { greedy_tokens(&engine, request(question, 40)).await.0 })
    });
    for (alone, together) in alone.iter().zip(together) {
        assert_same_tokens(alone, &together.await.unwrap(), "alone and together");
    }
}

/// Asserts that a greedy answer equals the one decoded token by token, up to a token that was hardly more likely than another.
fn assert_diverges_only_at_a_tie(tokens: &[(String, f32)], answer: &str) {
    let mut rest = answer;
    for (token, logprob) in tokens {
        let Some(after) = rest.strip_prefix(token.as_str()) else {
            // The highest probability of a token whose logit leads by less than the tolerance.
            let (probability, even) = (logprob.exp(), 1.0 / (1.0 + (-LOG_PROBABILITY_TOLERANCE).exp()));
            assert!(probability < even, "{token:?}, of probability {probability}, became {rest:?}");
            return;
        };
        rest = after;
    }
    assert_eq!(rest, "");
}

#[tokio::test]
async fn prompt_lookup_drafting_does_not_change_the_answer() {
    let _turn = turn().await;
    let engine = engine().await;
    let code = "def area(width, height):\n    return width * height\n\n\ndef volume(width, height, depth):\n    return area(width, height) * depth\n";
    let mut edit = request(&format!("Repeat this code three times:\n```python\n{code}```"), 120);
    edit.eos_policy = EosPolicy::Ignore;
    let (plain, none) = greedy_tokens(&engine, edit.clone()).await;
    edit.speculation = Speculation::PromptLookup;
    let (drafted, some) = answer(&engine, edit).await.unwrap();
    assert_diverges_only_at_a_tie(&plain, &drafted);
    assert_eq!((none.drafted_tokens, none.completion_tokens), (0, some.completion_tokens));
    // On a GPU a decode step may be cheaper than verifying a draft; then nothing is drafted.
    let enough = if super::on_processor(&engine) { 9 } else { 0 };
    assert!(some.accepted_tokens >= enough && some.drafted_tokens >= some.accepted_tokens, "{some:?}");
}

#[tokio::test]
async fn with_end_of_sequence_ignored_an_answer_reaches_max_tokens() {
    let _turn = turn().await;
    let mut endless = request("Say yes.", 60);
    endless.eos_policy = EosPolicy::Ignore;
    let (_, summary) = answer(&engine().await, endless).await.unwrap();
    assert_eq!(summary.completion_tokens, 60);
}

#[tokio::test]
async fn a_completion_overtakes_a_long_prefill() {
    let _turn = turn().await;
    let engine = engine().await;
    let mut chat = engine.submit(request(&"x = 1\n".repeat(250), 1)).unwrap();
    assert!(matches!(chat.next().await, Some(Ok(Event::PromptAccepted(_)))));
    assert!(matches!(chat.next().await, Some(Ok(Event::Prefill { .. }))));
    let prompt = Prompt::Text("def add(a, b):\n    return".into());
    let completion = Request { priority: Priority::Completion, ..Request::new(prompt, request("", 1).sampling, 4) };
    answer(&engine, completion).await.unwrap();
    let mut prefilled = 0;
    loop {
        match chat.next().await.unwrap().unwrap() {
            Event::Prefill { tokens } => prefilled = tokens,
            Event::Done(summary) => {
                assert!(prefilled < summary.prompt_tokens, "the chat was still in prefill");
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_longest_cached_prefix_is_reused() {
    let _turn = turn().await;
    let engine = engine().await;
    for question in QUESTIONS {
        answer(&engine, request(question, 8)).await.unwrap();
    }
    // The oldest prompt is still cached after three others.
    let (_, again) = answer(&engine, request(QUESTIONS[0], 8)).await.unwrap();
    assert_eq!(again.cached_tokens, again.prompt_tokens);
    let (_, longer) = answer(&engine, request(&format!("{} And three?", QUESTIONS[1]), 8)).await.unwrap();
    assert!(longer.cached_tokens + 12 > longer.prompt_tokens, "{longer:?}");
}

#[tokio::test]
async fn offloaded_kv_states_are_restored() {
    let _turn = turn().await;
    let small = Options { context: 1024, kv_tokens: 1024, ..options(model()) };
    let engine = loaded(small).await;
    let long = |name: &str| request(&format!("{name}: {}", "x = 1\n".repeat(140)), 8);
    let (first, cold) = greedy_tokens(&engine, long("a")).await;
    for other in ["b", "c"] {
        answer(&engine, long(other)).await.unwrap();
    }
    assert!(engine.offloaded_bytes() > 0, "a state was offloaded");
    let (again, warm) = greedy_tokens(&engine, long("a")).await;
    assert!(cold.cached_tokens < 40 && warm.cached_tokens + 2 > warm.prompt_tokens, "{cold:?} {warm:?}");
    assert_same_tokens(&first, &again, "prefilled and restored");
}

#[tokio::test]
async fn requests_that_exceed_the_kv_cache_together_run_one_after_the_other() {
    let _turn = turn().await;
    let small = Options { context: 1024, kv_tokens: 1024, ..options(model()) };
    let engine = loaded(small).await;
    let long = |name: &str| request(&format!("{name}: {}", "x = 1\n".repeat(120)), 100);
    let running = ["a", "b", "c"].map(|name| {
        let (engine, request) = (engine.clone(), long(name));
        tokio::spawn(async move { answer(&engine, request).await })
    });
    for running in running {
        let (text, summary) = running.await.unwrap().unwrap();
        assert!(!text.is_empty() && summary.completion_tokens > 0, "{summary:?}");
    }
}

#[tokio::test]
async fn a_kv_state_on_disk_survives_a_restart_and_a_damaged_one_is_ignored() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let stored = || Options {
        disk_cache: Some(DiskCacheOptions { folder: folder.path().to_owned(), max_bytes: 1 << 30 }),
        ..options(model())
    };
    let long = || request(&"x = 1\n".repeat(250), 8);
    let first = loaded(stored()).await;
    let (original, cold) = greedy_tokens(&first, long()).await;
    close(first);

    let second = loaded(stored()).await;
    let (again, warm) = greedy_tokens(&second, long()).await;
    assert!(cold.cached_tokens == 0 && warm.cached_tokens + 2 > warm.prompt_tokens, "{cold:?} {warm:?}");
    assert_same_tokens(&original, &again, "before and after a restart");
    close(second);

    let mut damaged = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "state") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let third = loaded(stored()).await;
    let (recomputed, summary) = greedy_tokens(&third, long()).await;
    assert_eq!(summary.cached_tokens, 0, "a damaged state is not used");
    assert_same_tokens(&original, &recomputed, "with a damaged state");
}

/// A conversation about these things that ends with a question. Each answer has about 240 tokens.
fn conversation(things: std::ops::Range<usize>, truncation: Truncation) -> Request {
    let mut messages = vec![ChatMessage::new(Role::System, "You write Python.")];
    for thing in things {
        messages
            .push(ChatMessage { truncation, ..ChatMessage::new(Role::User, format!("What is thing number {thing}?")) });
        let answer: String =
            (0..16).map(|line| format!("Fact {line} about {thing}: it is {}.\n", line * thing)).collect();
        messages.push(ChatMessage { truncation, ..ChatMessage::new(Role::Assistant, answer) });
    }
    messages.push(ChatMessage::new(Role::User, "And what is the next thing?"));
    Request { chunk_reuse: ChunkReuse::KvShift, ..chat(messages, 12) }
}

#[tokio::test]
async fn after_truncation_the_remaining_messages_are_reused_by_kv_shift_and_not_mixed_with_exact_states() {
    let _turn = turn().await;
    let engine = engine().await;
    let (_, complete) = answer(&engine, conversation(1..6, Truncation::Allowed)).await.unwrap();
    let mut running = engine.submit(conversation(1..9, Truncation::Allowed)).unwrap();
    let Some(Ok(Event::PromptAccepted(PromptAccepted { dropped, .. }))) = running.next().await else {
        panic!("the request is accepted")
    };
    drop(running);
    let (text, shortened) = answer(&engine, conversation(1..9, Truncation::Allowed)).await.unwrap();
    assert!(complete.prompt_tokens < 1792 && shortened.prompt_tokens < 1792, "{complete:?} {shortened:?}");
    assert!(shortened.cached_tokens > 150, "cached chunks are shifted to the front: {shortened:?}");
    assert!(!text.is_empty());
    // The same prompt without truncation is prefilled completely.
    let first = 1 + dropped / 2;
    let (exact, summary) = greedy_tokens(&engine, conversation(first..9, Truncation::Never)).await;
    assert_eq!(summary.prompt_tokens, shortened.prompt_tokens);
    assert!(summary.cached_tokens < 60, "only the system prompt is cached exactly: {summary:?}");
    let (fresh, _) = greedy_tokens(&loaded(options(model())).await, conversation(first..9, Truncation::Never)).await;
    assert_same_tokens(&exact, &fresh, "after a shift, and recomputed");
}

/// Drops an engine, and waits until its threads have ended.
fn close(engine: Engine) {
    drop(engine);
    assert!(engine::wait_for_threads(TIMEOUT), "the engine ends");
}

#[tokio::test]
async fn requests_cancelled_at_random_leak_nothing() {
    let _turn = turn().await;
    let engine = engine().await;
    let mut seed = 12345_u64;
    let mut baseline = 0;
    for round in 0..200 {
        // By then every batch size has been used, and the caches are full.
        if round == 50 {
            baseline = own_memory();
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let events = (seed >> 33) % 12;
        let mut cancelled = request(&"y = 2\n".repeat(1 + (seed >> 40) as usize % 120), 200);
        cancelled.priority = if round % 3 == 0 { Priority::Completion } else { Priority::Chat };
        let mut running = match engine.submit(cancelled) {
            Err(Error::Overloaded) => panic!("permits are released"),
            other => other.unwrap(),
        };
        for _ in 0..events {
            running.next().await.unwrap().unwrap();
        }
        drop(running);
        let idle = async || (engine.queue_depth().active == 0 && engine.queue_depth().waiting() == 0).then_some(());
        tests::eventually("the engine is idle", idle).await;
    }
    let grown = own_memory().saturating_sub(baseline);
    assert!(grown < 48, "{grown} MiB more than before");
    assert_eq!(answer(&engine, request("Hi", 3)).await.unwrap().1.completion_tokens, 3);
}

/// Anonymous memory of this process in MiB, without mapped files.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[tokio::test]
async fn a_prefix_that_another_request_is_prefilling_is_prefilled_once() {
    let _turn = turn().await;
    let engine = engine().await;
    let code = "def area(width, height):\n    return width * height\n".repeat(8);
    let questions = ["Explain this.", "Test this.", "Rename the function."].map(|task| format!("{code}\n{task}"));
    let mut alone = Vec::new();
    for question in &questions {
        alone.push(greedy_tokens(&loaded(options(model())).await, request(question, 16)).await.0);
    }
    let running = questions.clone().map(|question| {
        let engine = engine.clone();
        tokio::spawn(async move { greedy_tokens(&engine, request(&question, 16)).await })
    });
    let (mut prefilled, mut longest) = (0, 0);
    for (running, alone) in running.into_iter().zip(&alone) {
        let (together, summary) = running.await.unwrap();
        assert_same_tokens(alone, &together, "alone and concurrently");
        prefilled += summary.prompt_tokens - summary.cached_tokens;
        longest = longest.max(summary.prompt_tokens);
    }
    assert!(prefilled < longest + 60, "{prefilled} tokens were prefilled of prompts of up to {longest}");
}
