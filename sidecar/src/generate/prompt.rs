//! The prompt: what the model is told about its task, the conversation so far, and the question.

use engine::{Message, Request, Role, Sampling};

use super::ask::Ask;
use super::profile::{Feature, Profile};
use crate::store;

/// Earlier turns of a conversation that are shown to the model at most.
const EARLIER_TURNS: usize = 20;

/// The request for an answer to `ask`, given the thread so far.
#[must_use]
pub fn request(ask: &Ask, earlier: &[store::Message]) -> Request {
    let mut messages = vec![Message::new(Role::System, system(ask))];
    let said = earlier.iter().filter(|message| !message.answer.is_empty());
    let skipped = said.clone().count().saturating_sub(EARLIER_TURNS);
    for message in said.skip(skipped) {
        messages.push(Message::if_room(Role::User, &message.question));
        messages.push(Message::if_room(Role::Assistant, &message.answer));
    }
    messages.push(Message::new(Role::User, question(ask)));
    let sampling = Sampling { temperature: ask.temperature, top_p: ask.top_p, seed: ask.seed };
    Request { messages, sampling, max_tokens: ask.max_tokens }
}

/// The instructions, in the language of the question, which small models then answer in. They depend on nothing else but the
/// settings, so that their place in the model's memory is shared by all questions.
fn system(ask: &Ask) -> String {
    let language = display_name(&ask.language);
    let mut sentences = vec![if is_korean(&ask.question) {
        format!(
            "당신은 {language} 프로그래밍 도우미 HAPA입니다. 질문에 맞는 정확하고 바로 실행되는 {language} 코드를 마크다운 코드 블록 하나로 쓰고, \
             그 다음에 한국어로 짧게 설명하세요."
        )
    } else {
        format!(
            "You are HAPA, a {language} programming assistant. Write correct {language} code that runs as it is, in one markdown \
             code block, then explain it briefly in the language of the question."
        )
    }];
    sentences.extend(profile(&ask.profile, &ask.language));
    let wish = |wish: Option<bool>, what: &str| {
        wish.map(|yes| format!("{} {what}.", if yes { "Write" } else { "Do not write" }))
    };
    sentences.extend(wish(ask.wishes.comments, "comments in the code"));
    sentences.extend(wish(ask.wishes.docstrings, "docstrings"));
    sentences.extend(wish(ask.wishes.type_hints, "type hints"));
    sentences.join(" ")
}

fn profile(profile: &Profile, language: &str) -> Vec<String> {
    let mut sentences: Vec<String> = [
        profile.python_skill_level.sentence(),
        profile.code_output_structure.sentence(),
        profile.explanation_style.sentence(),
        profile.project_context.sentence(),
        profile.error_handling_preference.sentence(),
    ]
    .into_iter()
    .filter(|sentence| !sentence.is_empty())
    .map(str::to_owned)
    .collect();
    let features: Vec<&str> = profile.preferred_language_features.iter().copied().map(Feature::sentence).collect();
    if language == "python" && profile.preferred_language_features != Profile::default().preferred_language_features {
        sentences.push(format!("Where they fit, use {}.", features.join(", ")));
    }
    sentences
}

/// Korean is what has Hangul in it, whatever English names stand beside it.
fn is_korean(question: &str) -> bool {
    question.chars().any(is_hangul)
}

fn is_hangul(character: char) -> bool {
    matches!(character, '가'..='힣' | 'ㄱ'..='ㆎ' | 'ᄀ'..='ᇿ')
}

fn question(ask: &Ask) -> String {
    let Some(code) = &ask.code_context else { return ask.question.clone() };
    let path = ask.file_path.as_ref().map(|path| format!(" of `{path}`")).unwrap_or_default();
    let fence = fence_for(code);
    format!(
        "The code{path}:\n\n{fence}{language}\n{code}\n{fence}\n\n{question}",
        language = ask.language,
        question = ask.question
    )
}

/// A fence that is longer than any in the code.
fn fence_for(code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// A language's name as people write it.
fn display_name(language: &str) -> String {
    match language {
        "javascript" => "JavaScript".into(),
        "typescript" => "TypeScript".into(),
        "cpp" => "C++".into(),
        "csharp" => "C#".into(),
        "sql" | "php" | "html" | "css" => language.to_uppercase(),
        _ => language.chars().take(1).flat_map(char::to_uppercase).chain(language.chars().skip(1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::ask::GenerateRequest;

    fn messages(body: &str) -> Vec<String> {
        let request_body: GenerateRequest = serde_json::from_str(body).unwrap();
        let ask = Ask::try_from(request_body).unwrap();
        request(&ask, &[]).messages.into_iter().map(|message| message.content).collect()
    }

    #[test]
    fn a_korean_question_is_explained_in_korean() {
        let korean = messages(r#"{"user_question": "중복 제거"}"#);
        assert!(korean[0].contains("한국어") && korean[0].contains("Python"), "{}", korean[0]);
        assert_eq!(korean[1], "중복 제거");
        assert!(!messages(r#"{"user_question": "dedupe"}"#)[0].contains("한국어"));
    }

    #[test]
    fn each_spelling_of_the_profile_reaches_the_model() {
        for name in ["user_profile", "userProfile"] {
            let body = format!(
                r#"{{"user_question": "x", "{name}": {{"pythonSkillLevel": "beginner", "isOnboardingCompleted": true}}}}"#
            );
            assert!(messages(&body)[0].contains("new to programming"), "{name}");
        }
    }

    #[test]
    fn code_with_fences_in_it_stays_in_one_block() {
        let body = r#"{"user_question": "fix it", "code_context": "x = '```'", "file_path": "a.py"}"#;
        assert_eq!(messages(body)[1], "The code of `a.py`:\n\n````python\nx = '```'\n````\n\nfix it");
    }
}
