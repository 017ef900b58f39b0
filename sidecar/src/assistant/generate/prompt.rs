//! Builds the prompt: the task, the conversation so far, the code and the question.

use engine::{ChatMessage, ChunkReuse, Prompt, Request, Role, Sampling, Speculation};

use super::request::GenerationRequest;
use super::review::Finding;
use super::task::{AnswerShape, ModelType};
use crate::assistant::profiles::profile::Profile;
use crate::base::i18n::Language;
use crate::inference::Target;
use crate::inference::response_cache::CacheKey;
use crate::store;

/// Maximum number of diagnostics in the prompt.
const MAX_DIAGNOSTICS: usize = 8;

/// The context of a question.
#[derive(Debug, Clone, Default)]
pub struct PromptContext {
    /// The thread so far.
    pub history: Vec<store::Message>,
    /// Diagnostics of the code.
    pub diagnostics: Vec<Finding>,
    /// The partial answer to continue; empty for a new one.
    pub partial_answer: String,
}

/// The engine's request for an answer to `request`, for a user with this profile.
#[must_use]
pub fn build(request: &GenerationRequest, profile: &Profile, context: &PromptContext) -> Request {
    let mut messages = vec![ChatMessage::new(Role::System, system(request, profile))];
    for message in context.history.iter().filter(|message| !message.answer.is_empty()) {
        messages.push(ChatMessage::truncatable(Role::User, &message.question));
        messages.push(ChatMessage::truncatable(Role::Assistant, &message.answer));
    }
    messages.push(ChatMessage::new(Role::User, question(request, &context.diagnostics)));
    if !context.partial_answer.is_empty() {
        messages.push(ChatMessage::new(Role::Assistant, &context.partial_answer));
    }
    let seed = request.seed.unwrap_or_else(|| getrandom::u32().unwrap_or(0));
    let sampling = Sampling { temperature: request.temperature, top_p: request.top_p, seed };
    let prompt = Request::new(Prompt::Chat(messages), sampling, request.max_tokens);
    // Where code is changed, most of it is repeated, and can be drafted.
    let repeats = request.code_context.is_some() || !request.files.is_empty() || !context.history.is_empty();
    let speculation = if repeats { Speculation::PromptLookup } else { Speculation::Off };
    Request { speculation, chunk_reuse: ChunkReuse::KvShift, ..prompt }
}

/// The cache key: everything that changes the answer. The seed counts only if the client chose one; otherwise any
/// answer will do.
#[must_use]
pub fn key(prompt: &Request, request: &GenerationRequest, target: &Target) -> CacheKey {
    let Target { model, backend } = target;
    let size = model.size_bytes.to_string();
    let Sampling { temperature, top_p, .. } = prompt.sampling;
    let how = format!("{temperature} {top_p} {} {:?} {:?}", prompt.max_tokens, request.seed, request.kind);
    let mut parts = vec![backend.as_str(), &model.device, &model.name, &size, &request.language, &how];
    if let Prompt::Chat(messages) = &prompt.prompt {
        parts.extend(messages.iter().flat_map(|message| [message.role.as_str(), &message.content]));
    }
    CacheKey::of(parts)
}

/// The system prompt, in the language of the question, which small models then answer in. It depends on nothing else
/// but the settings, so that its KV cache is shared by all questions.
fn system(request: &GenerationRequest, profile: &Profile) -> String {
    let language = detect_language(&request.question);
    let name = display_name(&request.language);
    let mut sentences = vec![match language {
        Language::Korean => format!("당신은 {name} 프로그래밍 도우미 HAPA입니다."),
        Language::English => format!("You are HAPA, a {name} programming assistant."),
    }];
    sentences.push(request.kind.instructions(language, &name));
    sentences.extend(profile.sentences(language, &request.language));
    sentences.extend(option_sentences(request, language));
    sentences.join(" ")
}

fn option_sentences(request: &GenerationRequest, language: Language) -> Vec<String> {
    let options = &request.options;
    let mut sentences = vec![options.style.sentence(language).to_owned(), options.detail.sentence(language).to_owned()];
    if request.kind.shape() == AnswerShape::CodeAndWords {
        for (option, ko, en) in [
            (options.comments, "주석", "comments in the code"),
            (options.docstrings, "docstring", "docstrings"),
            (options.type_hints, "타입 힌트", "type hints"),
        ] {
            sentences.extend(option.map(|wanted| match (language, wanted) {
                (Language::Korean, true) => format!("{ko}을(를) 쓰세요."),
                (Language::Korean, false) => format!("{ko}을(를) 쓰지 마세요."),
                (Language::English, true) => format!("Write {en}."),
                (Language::English, false) => format!("Do not write {en}."),
            }));
        }
    }
    sentences.extend(options.project.as_ref().map(|project| match language {
        Language::Korean => format!("프로젝트: {project}"),
        Language::English => format!("The project: {project}"),
    }));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The language of a question: Korean if it contains Hangul, whatever English names it contains.
#[must_use]
pub fn detect_language(question: &str) -> Language {
    if question.chars().any(is_hangul) { Language::Korean } else { Language::English }
}

fn is_hangul(character: char) -> bool {
    matches!(character, '가'..='힣' | 'ㄱ'..='ㆎ' | 'ᄀ'..='ᇿ')
}

/// The user message: files, code, diagnostics, then the question. Files come first: they stay the same, and cached,
/// while the questions about them change.
fn question(request: &GenerationRequest, diagnostics: &[Finding]) -> String {
    let mut text = String::new();
    for file in &request.files {
        text += &code_section(request.kind, &format!("The file `{}`", file.path), extension(&file.path), &file.content);
    }
    if let Some(code) = &request.code_context {
        let path = request.file_path.as_ref().map(|path| format!(" of `{path}`")).unwrap_or_default();
        text += &code_section(request.kind, &format!("The code{path}"), &request.language, code);
    }
    text += &diagnostics_section(diagnostics);
    text + &request.question
}

/// Code under a heading, with line numbers for a review, which refers to them.
fn code_section(kind: ModelType, heading: &str, language: &str, code: &str) -> String {
    let fence = fence_for(code);
    let code = if kind == ModelType::CodeReview { numbered(code) } else { code.to_owned() };
    format!("{heading}:\n\n{fence}{language}\n{code}\n{fence}\n\n")
}

/// The extension of a file name, which serves as the info string of its fence; empty where there is none.
fn extension(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending.chars().all(|character| character.is_ascii_alphanumeric()) { ending } else { "" }
}

/// The diagnostics, as a section of the prompt.
fn diagnostics_section(diagnostics: &[Finding]) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let line = |finding: &Finding| format!("- Line {}: {}\n", finding.line.unwrap_or(1), finding.message);
    format!("A static check found:\n{}\n", diagnostics.iter().take(MAX_DIAGNOSTICS).map(line).collect::<String>())
}

/// Code with line numbers.
fn numbered(code: &str) -> String {
    let lines: Vec<String> = code.lines().enumerate().map(|(index, line)| format!("{:>3} {line}", index + 1)).collect();
    lines.join("\n")
}

/// A fence that is longer than any in the code.
fn fence_for(code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// The usual spelling of a language's name.
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
    use crate::assistant::generate::enhanced::EnhancedRequest;
    use crate::assistant::generate::request::GenerateRequest;

    fn contents(request: &GenerationRequest) -> Vec<String> {
        let profile = Profile::default().with(request.profile.clone());
        let Prompt::Chat(messages) = build(request, &profile, &PromptContext::default()).prompt else {
            panic!("questions are chats")
        };
        messages.into_iter().map(|message| message.content).collect()
    }

    fn messages(body: &str) -> Vec<String> {
        let request: GenerateRequest = serde_json::from_str(body).unwrap();
        contents(&GenerationRequest::try_from(request).unwrap())
    }

    fn enhanced(body: &str) -> Vec<String> {
        let request: EnhancedRequest = serde_json::from_str(body).unwrap();
        contents(&GenerationRequest::try_from(request).unwrap())
    }

    #[test]
    fn a_korean_question_is_explained_in_korean() {
        let korean = messages(r#"{"user_question": "중복 제거"}"#);
        assert!(korean[0].contains("한국어") && korean[0].contains("Python"), "{}", korean[0]);
        assert_eq!(korean[1], "중복 제거");
        assert!(!messages(r#"{"user_question": "dedupe"}"#)[0].contains("한국어"));
    }

    #[test]
    fn both_spellings_of_the_profile_field_reach_the_model() {
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

    #[test]
    fn files_stand_before_the_question_under_their_names() {
        let body = r#"{"user_question": "fix it", "files": [{"path": "shop/a.py", "content": "x = 1"}, {"path": "Makefile", "content": "all:"}]}"#;
        assert_eq!(
            messages(body)[1],
            "The file `shop/a.py`:\n\n```py\nx = 1\n```\n\nThe file `Makefile`:\n\n```\nall:\n```\n\nfix it"
        );
    }

    #[test]
    fn each_field_of_the_enhanced_form_reaches_the_model() {
        for (field, expected) in [
            (r#""programming_level": "beginner""#, "new to programming"),
            (r#""explanation_detail": "comprehensive""#, "Explain every part"),
            (r#""explanation_detail": "minimal""#, "one sentence"),
            (r#""explanation_detail": "detailed""#, "why it is written"),
            (r#""code_style": "clean""#, "clean code"),
            (r#""code_style": "performance""#, "fastest"),
            (r#""code_style": "readable""#, "easy to read"),
            (r#""include_comments": true"#, "Write comments"),
            (r#""include_docstring": false"#, "Do not write docstrings"),
            (r#""include_type_hints": true"#, "Write type hints"),
            (r#""project_context": "a shop""#, "The project: a shop"),
            (r#""language": "go""#, "Go programming"),
            (r#""model_type": "unit_test_generation""#, "pytest"),
        ] {
            let system = enhanced(&format!(r#"{{"prompt": "x", {field}}}"#))[0].clone();
            assert!(system.contains(expected), "{field}: {system}");
            assert!(!enhanced(r#"{"prompt": "x"}"#)[0].contains(expected), "{field} makes the difference");
        }
    }

    #[test]
    fn a_review_shows_the_numbers_of_the_lines() {
        let body = r#"{"prompt": "검토해줘", "context": "a = 1\nb = 2", "model_type": "code_review"}"#;
        assert!(enhanced(body)[1].contains("  1 a = 1\n  2 b = 2"), "{}", enhanced(body)[1]);
    }

    #[test]
    fn both_names_of_prompt_and_context_are_read() {
        let body = r#"{"user_question": "fix", "code_context": "a = 1"}"#;
        assert_eq!(enhanced(body)[1], enhanced(r#"{"prompt": "fix", "context": "a = 1"}"#)[1]);
    }
}
