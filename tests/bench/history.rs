//! Benchmark: listing and searching a history of 100,000 messages over HTTP.
//!
//! `cargo xtask bench history` fills a new database by import, which takes minutes, and then measures each query.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::server::Server;

const MESSAGES: usize = 100_000;

/// Requests per query.
const TIMES: usize = 100;

/// The vocabulary of the generated messages.
const WORDS: [&str; 24] = [
    "리스트",
    "딕셔너리",
    "정렬",
    "함수",
    "재귀함수",
    "클래스",
    "데코레이터",
    "제너레이터",
    "파일",
    "읽기",
    "쓰기",
    "비동기",
    "데이터프레임",
    "pandas",
    "numpy",
    "flask",
    "fastapi",
    "async",
    "sorted",
    "lambda",
    "요청",
    "테스트",
    "예외처리",
    "문자열",
];

#[tokio::main]
async fn main() {
    let server = Server::start().await;
    let start = Instant::now();
    for first in (0..MESSAGES).step_by(5_000) {
        let messages: Vec<Value> = (first..first + 5_000).map(message).collect();
        let file = json!({"format": "hapa-history", "version": 1, "messages": messages});
        let (status, report) = server.post("/api/v1/user/history/import", &file).await;
        assert_eq!((status, &report["imported"]), (200, &json!(5_000)), "{report}");
    }
    let size = std::fs::metadata(server.data().join("hapa.db")).unwrap().len();
    println!("{MESSAGES} messages in {:.0} s, a database of {} MB\n", start.elapsed().as_secs_f64(), size / 1_000_000);
    println!("{:<44} {:>8} {:>8} {:>8}", "question", "found", "p50 ms", "p99 ms");
    for (what, parameters) in [
        ("the newest 10", "limit=10".to_owned()),
        ("the newest 100", "limit=100".to_owned()),
        ("10 from the middle", "limit=10&offset=50000".to_owned()),
        ("in one language", "limit=10&language=rust".to_owned()),
        ("of one month", "limit=10&from=2024-03-01T00:00:00Z&to=2024-04-01T00:00:00Z".to_owned()),
        ("search: a rare word", search("희귀한단어")),
        ("search: a word of half of all messages", search("재귀함수")),
        ("search: two syllables in nearly all", search("함수")),
        ("search: two syllables in half", search("정렬")),
        ("search: one syllable", search("렬")),
        ("search: English", search("DataFrame")),
        ("search: two words", search("재귀함수 pandas")),
        ("search: nothing like it", search("없는말입니다")),
        ("search: in one language", format!("{}&language=rust", search("재귀함수"))),
        ("search: the last page", format!("{}&offset=40000", search("재귀함수"))),
    ] {
        measure(&server, what, &parameters).await;
    }
}

fn search(words: &str) -> String {
    let address = reqwest::Url::parse_with_params("http://x/", [("search", words)]).unwrap();
    format!("limit=10&{}", address.query().unwrap())
}

async fn measure(server: &Server, what: &str, parameters: &str) {
    let path = format!("/api/v1/user/history?{parameters}");
    let mut times = Vec::with_capacity(TIMES);
    let mut found = Value::Null;
    for _ in 0..TIMES {
        let start = Instant::now();
        let page = server.get(&path).await;
        times.push(start.elapsed());
        found = page["total_count"].clone();
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{what:<44} {found:>8} {:>8.1} {:>8.1}", ms(times[TIMES / 2]), ms(times[TIMES * 99 / 100]));
}

/// A realistic message; the same index gives the same message.
fn message(index: usize) -> Value {
    let mut state = index as u64 * 2 + 1;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    let mut words = |count: usize| (0..count).map(|_| word()).collect::<Vec<_>>().join(" ");
    let rare = if index.is_multiple_of(10_000) { " 희귀한단어" } else { "" };
    let (question, explanation) = (format!("{}를 만들어줘{rare}", words(6)), words(12));
    let code = format!(
        "def solve_{index}(values: list[int]) -> list[int]:\n    # {}\n    return sorted(set(values))\n",
        words(4)
    );
    let minutes = index % 60;
    let day = index / 300;
    let time =
        jiff::Timestamp::from_second(1_704_067_200 + (day * 86_400 + (index % 300) * 60 + minutes) as i64).unwrap();
    json!({
        "id": format!("m{index}"), "conversation_id": format!("c{}", index / 10), "timestamp": time.to_string(),
        "question": question, "response": format!("{explanation}\n\n```python\n{code}```\n"), "generated_code": code,
        "explanation": explanation, "language": if index.is_multiple_of(5) { "rust" } else { "python" }, "model_used": "scripted",
        "prompt_tokens": 100, "completion_tokens": 80, "duration": 2.5,
    })
}
