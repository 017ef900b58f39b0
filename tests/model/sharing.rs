//! Requests that share the model: who overtakes whom, what is remembered of whom, and that nobody's words are changed by it.

use engine::{
    ChatMessage, ChunkReuse, DiskCacheOptions, Engine, EosPolicy, Error, Event, Options, Priority, Prompt, Request,
    Role, Speculation, Truncation, Usage,
};
use tests::PATIENCE;
use tokio::time::timeout;

use super::{answer, chat, engine, loaded, model, options, request, turn};

/// Natural logarithms by which probabilities may differ between two ways to compute the same: neighbours in a batch and places
/// in memory change the order of additions, and quantised models round what comes of it.
const ARITHMETIC: f32 = 0.25;

/// Greedy words with the logarithms of their probabilities.
async fn words(engine: &Engine, mut request: Request) -> (Vec<(String, f32)>, Usage) {
    request.logprobs = true;
    let mut running = engine.submit(request).unwrap();
    let mut words = Vec::new();
    while let Some(event) = timeout(PATIENCE, running.next()).await.expect("the model goes on") {
        match event.unwrap() {
            Event::Delta { text, logprob, tokens } if tokens > 0 => {
                words.push((text, logprob.expect("probabilities were asked for")));
            }
            Event::Done(summary) => return (words, summary),
            _ => {}
        }
    }
    panic!("the answer ended without a summary")
}

/// Two greedy answers are the same, or part where the model held two words for equally likely.
fn same_words(a: &[(String, f32)], b: &[(String, f32)], what: &str) {
    for (a, b) in a.iter().zip(b) {
        let apart = (a.1 - b.1).abs();
        assert!(apart < ARITHMETIC, "{what}: {a:?} and {b:?} are {apart} apart");
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
async fn neighbours_do_not_change_what_is_said() {
    let _turn = turn().await;
    let engine = loaded(Options { queue_capacity: 8, ..options(model()) }).await;
    let mut alone = Vec::new();
    for question in QUESTIONS {
        alone.push(words(&engine, request(question, 40)).await.0);
    }
    let together = QUESTIONS.map(|question| {
        let engine = engine.clone();
        tokio::spawn(async move { words(&engine, request(question, 40)).await.0 })
    });
    for (alone, together) in alone.iter().zip(together) {
        same_words(alone, &together.await.unwrap(), "alone and together");
    }
}

/// A greedy answer is the one that was given word by word, up to a word that the model held for no likelier than another one.
fn assert_parts_only_in_doubt(words: &[(String, f32)], answer: &str) {
    let mut rest = answer;
    for (word, logprob) in words {
        let Some(after) = rest.strip_prefix(word.as_str()) else {
            // Whose logit leads by less than that is no likelier than this.
            let (probability, even) = (logprob.exp(), 1.0 / (1.0 + (-ARITHMETIC).exp()));
            assert!(probability < even, "{word:?}, of {probability}, became {rest:?}");
            return;
        };
        rest = after;
    }
    assert_eq!(rest, "");
}

#[tokio::test]
async fn guessing_ahead_changes_the_speed_and_not_the_words() {
    let _turn = turn().await;
    let engine = engine().await;
    let code = "def area(width, height):\n    return width * height\n\n\ndef volume(width, height, depth):\n    return area(width, height) * depth\n";
    let mut edit = request(&format!("Repeat this code three times:\n```python\n{code}```"), 120);
    edit.eos_policy = EosPolicy::Ignore;
    let (plain, none) = words(&engine, edit.clone()).await;
    edit.speculation = Speculation::PromptLookup;
    let (guessed, some) = answer(&engine, edit).await.unwrap();
    assert_parts_only_in_doubt(&plain, &guessed);
    assert_eq!((none.drafted_tokens, none.completion_tokens), (0, some.completion_tokens));
    // A GPU may say the next word sooner than it checks a guess, and then nothing is guessed.
    let enough = if super::on_processor(&engine) { 9 } else { 0 };
    assert!(some.accepted_tokens >= enough && some.drafted_tokens >= some.accepted_tokens, "{some:?}");
}

#[tokio::test]
async fn an_answer_that_must_go_on_goes_on() {
    let _turn = turn().await;
    let mut endless = request("Say yes.", 60);
    endless.eos_policy = EosPolicy::Ignore;
    let (_, summary) = answer(&engine().await, endless).await.unwrap();
    assert_eq!(summary.completion_tokens, 60);
}

#[tokio::test]
async fn a_completion_overtakes_a_long_prompt() {
    let _turn = turn().await;
    let engine = engine().await;
    let mut chat = engine.submit(request(&"x = 1\n".repeat(250), 1)).unwrap();
    assert!(matches!(chat.next().await, Some(Ok(Event::PromptAccepted(_)))));
    assert!(matches!(chat.next().await, Some(Ok(Event::Prefill { .. }))));
    let prompt = Prompt::Text("def add(a, b):\n    return".into());
    let completion = Request { priority: Priority::Completion, ..Request::new(prompt, request("", 1).sampling, 4) };
    answer(&engine, completion).await.unwrap();
    let mut read_before = 0;
    loop {
        match chat.next().await.unwrap().unwrap() {
            Event::Prefill { tokens } => read_before = tokens,
            Event::Done(summary) => {
                assert!(read_before < summary.prompt_tokens, "the chat was still reading");
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_longest_of_all_earlier_beginnings_is_reused() {
    let _turn = turn().await;
    let engine = engine().await;
    for question in QUESTIONS {
        answer(&engine, request(question, 8)).await.unwrap();
    }
    // The oldest of them is still there, with four others in between.
    let (_, again) = answer(&engine, request(QUESTIONS[0], 8)).await.unwrap();
    assert_eq!(again.cached_tokens, again.prompt_tokens);
    let (_, longer) = answer(&engine, request(&format!("{} And three?", QUESTIONS[1]), 8)).await.unwrap();
    assert!(longer.cached_tokens + 12 > longer.prompt_tokens, "{longer:?}");
}

#[tokio::test]
async fn what_had_to_leave_the_models_memory_is_put_back() {
    let _turn = turn().await;
    let small = Options { context: 1024, kv_tokens: 1024, ..options(model()) };
    let engine = loaded(small).await;
    let long = |name: &str| request(&format!("{name}: {}", "x = 1\n".repeat(140)), 8);
    let (first, cold) = words(&engine, long("a")).await;
    for other in ["b", "c"] {
        answer(&engine, long(other)).await.unwrap();
    }
    assert!(engine.offloaded_bytes() > 0, "something had to leave");
    let (again, warm) = words(&engine, long("a")).await;
    assert!(cold.cached_tokens < 40 && warm.cached_tokens + 2 > warm.prompt_tokens, "{cold:?} {warm:?}");
    same_words(&first, &again, "read and put back");
}

#[tokio::test]
async fn requests_that_do_not_fit_together_take_turns() {
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
async fn a_conversation_outlives_the_process_unless_its_file_was_damaged() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let stored = || Options {
        disk_cache: Some(DiskCacheOptions { folder: folder.path().to_owned(), max_bytes: 1 << 30 }),
        ..options(model())
    };
    let long = || request(&"x = 1\n".repeat(250), 8);
    let first = loaded(stored()).await;
    let (said, cold) = words(&first, long()).await;
    close(first);

    let second = loaded(stored()).await;
    let (again, warm) = words(&second, long()).await;
    assert!(cold.cached_tokens == 0 && warm.cached_tokens + 2 > warm.prompt_tokens, "{cold:?} {warm:?}");
    same_words(&said, &again, "before and after a restart");
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
    let (anew, read) = words(&third, long()).await;
    assert_eq!(read.cached_tokens, 0, "what is damaged is not believed");
    same_words(&said, &anew, "with a damaged state");
}

/// A conversation about these things, each with about 240 tokens of an answer, that ends with a question.
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
async fn what_follows_dropped_messages_is_not_read_again_and_never_passed_off_as_exact() {
    let _turn = turn().await;
    let engine = engine().await;
    let (_, whole) = answer(&engine, conversation(1..6, Truncation::Allowed)).await.unwrap();
    let mut running = engine.submit(conversation(1..9, Truncation::Allowed)).unwrap();
    let Some(Ok(Event::PromptAccepted(accepted))) = running.next().await else { panic!("it is accepted") };
    let dropped = accepted.dropped;
    drop(running);
    let (said, shortened) = answer(&engine, conversation(1..9, Truncation::Allowed)).await.unwrap();
    assert!(whole.prompt_tokens < 1792 && shortened.prompt_tokens < 1792, "{whole:?} {shortened:?}");
    assert!(shortened.cached_tokens > 150, "a part of what was read is moved to the front: {shortened:?}");
    assert!(!said.is_empty());
    // The same prompt, in which nothing was dropped, is read from beginning to end.
    let first = 1 + dropped / 2;
    let (exact, read) = words(&engine, conversation(first..9, Truncation::Never)).await;
    assert_eq!(read.prompt_tokens, shortened.prompt_tokens);
    assert!(read.cached_tokens < 60, "only the instructions were read exactly so: {read:?}");
    let (fresh, _) = words(&loaded(options(model())).await, conversation(first..9, Truncation::Never)).await;
    same_words(&exact, &fresh, "after what was moved, and fresh");
}

/// Lets go of an engine, and waits until its thread has ended.
fn close(engine: Engine) {
    drop(engine);
    assert!(engine::wait_for_threads(PATIENCE), "it ends");
}

#[tokio::test]
async fn callers_who_leave_at_random_leave_nothing_behind() {
    let _turn = turn().await;
    let engine = engine().await;
    let mut seed = 12345_u64;
    let mut level = 0;
    for round in 0..200 {
        // By then every size of step was made, and what is kept of texts has been kept.
        if round == 50 {
            level = own_memory();
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let events = (seed >> 33) % 12;
        let mut asked = request(&"y = 2\n".repeat(1 + (seed >> 40) as usize % 120), 200);
        asked.priority = if round % 3 == 0 { Priority::Completion } else { Priority::Chat };
        let mut running = match engine.submit(asked) {
            Err(Error::Overloaded) => panic!("places are given back"),
            other => other.unwrap(),
        };
        for _ in 0..events {
            running.next().await.unwrap().unwrap();
        }
        drop(running);
        let idle = async || (engine.queue_depth().active == 0 && engine.queue_depth().waiting() == 0).then_some(());
        tests::eventually("the engine is idle", idle).await;
    }
    let left = own_memory().saturating_sub(level);
    assert!(left < 48, "{left} MiB more than before");
    assert_eq!(answer(&engine, request("Hi", 3)).await.unwrap().1.completion_tokens, 3);
}

/// Memory of this process that is no file's, in MiB.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[tokio::test]
async fn what_another_is_just_reading_is_read_once() {
    let _turn = turn().await;
    let engine = engine().await;
    let code = "def area(width, height):\n    return width * height\n".repeat(8);
    let questions = ["Explain this.", "Test this.", "Rename the function."].map(|task| format!("{code}\n{task}"));
    let mut alone = Vec::new();
    for question in &questions {
        alone.push(words(&loaded(options(model())).await, request(question, 16)).await.0);
    }
    let running = questions.clone().map(|question| {
        let engine = engine.clone();
        tokio::spawn(async move { words(&engine, request(&question, 16)).await })
    });
    let (mut read, mut longest) = (0, 0);
    for (running, alone) in running.into_iter().zip(&alone) {
        let (together, summary) = running.await.unwrap();
        same_words(alone, &together, "alone and beside others");
        read += summary.prompt_tokens - summary.cached_tokens;
        longest = longest.max(summary.prompt_tokens);
    }
    assert!(read < longest + 60, "{read} tokens were read of prompts of up to {longest}");
}
