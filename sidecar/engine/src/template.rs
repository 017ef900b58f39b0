//! The model's own chat template: messages become the text it was trained on. Templates come with model files, so they are not trusted.

use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value, context};
use minijinja_contrib::pycompat;

use crate::ChatMessage;

/// A piece of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Text of the template; control tokens in it are meant.
    Control(String),
    /// Text that somebody wrote; whatever it looks like, it is only text.
    Content(String),
}

/// A chat template, ready to render.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

/// Where the template puts a message's content, these two mark its ends. They are private-use characters without meaning.
const CONTENT_START: char = '\u{F8F0}';
const CONTENT_END: char = '\u{F8F1}';

/// Steps that a template may take, and as many more for each message. Real ones need some hundred a message. 64 bytes that it joins
/// or copies count as a step, so that it can make no text that does not fit into memory.
const BASE_AND_MESSAGE_FUEL: (u64, u64) = (50_000, 5000);

/// Bytes of the messages that add a step: each of them may be copied 16 times.
const BYTES_PER_FUEL: u64 = 4;

/// Steps that it may take in all.
const MAX_FUEL: u64 = 1_000_000;

/// Bytes of a text that a method may make.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Bytes that a rendered prompt may have beside twice its messages. Real templates add some hundred to each.
const RENDER_OVERHEAD: usize = 256 * 1024;

/// The layout of ChatML, for models that bring no template or one that fails.
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
                      {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

impl Template {
    /// Takes the template of a model file, or ChatML where it has none or a broken one. `bos` and `eos` are the texts of the
    /// model's first and last tokens, which templates refer to.
    pub fn new(source: Option<String>, bos: String, eos: String) -> Self {
        let template = source.and_then(|source| match Self::parse(source, bos.clone(), eos.clone()) {
            Ok(template) => template.self_test().then_some(template),
            Err(error) => {
                tracing::warn!(%error, "the model's chat template is not valid; ChatML is used instead");
                None
            }
        });
        template.unwrap_or_else(|| Self::parse(CHATML.to_owned(), bos, eos).expect("the built-in template is valid"))
    }

    fn parse(source: String, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // The white space rules that the templates' authors write for.
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_recursion_limit(64);
        environment.set_unknown_method_callback(method);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", |format: String| jiff::Zoned::now().strftime(&format).to_string());
        environment.add_template_owned("chat", source)?;
        Ok(Self { environment, bos, eos })
    }

    /// Whether a plain question comes out again: a template that loses it is of no use.
    fn self_test(&self) -> bool {
        let message = ChatMessage::new(crate::Role::User, "question");
        let rendered = self.render(&[&message]);
        let found = rendered.as_ref().is_ok_and(|segments| segments.contains(&Segment::Content("question".into())));
        if !found {
            tracing::warn!(error = ?rendered.err(), "the model's chat template loses the question; ChatML is used instead");
        }
        found
    }

    /// The prompt for `messages`, up to the point where the model answers.
    ///
    /// # Errors
    /// When the template refuses the messages, or takes too many steps.
    pub fn render(&self, messages: &[&ChatMessage]) -> Result<Vec<Segment>, Arc<Error>> {
        let marked: Vec<_> = messages
            .iter()
            .map(|message| {
                let content = message.content.trim().replace([CONTENT_START, CONTENT_END], "");
                context! { role => message.role.as_str(), content => format!("{CONTENT_START}{content}{CONTENT_END}") }
            })
            .collect();
        let mut environment = self.environment.clone();
        let message_bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let fuel = BASE_AND_MESSAGE_FUEL.0
            + BASE_AND_MESSAGE_FUEL.1 * messages.len() as u64
            + message_bytes as u64 / BYTES_PER_FUEL;
        environment.set_fuel(Some(fuel.min(MAX_FUEL)));
        let chat = environment.get_template("chat").map_err(Arc::new)?;
        let mut output = LimitedWriter { text: Vec::new(), remaining: RENDER_OVERHEAD + 2 * message_bytes };
        let values = context! {
            messages => marked, add_generation_prompt => true, bos_token => self.bos.as_str(), eos_token => self.eos.as_str(),
        };
        chat.render_captured_to(values, &mut output).map_err(Arc::new)?;
        Ok(split(&String::from_utf8_lossy(&output.text)))
    }
}

/// Methods of Python's strings, lists and dictionaries. Those that make long texts of short ones are done by filters, which count the
/// bytes before they make them, or refused.
fn method(state: &mut State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (method, value.as_str(), arguments) {
        ("replace", Some(_), _) => state.apply_filter("replace", &[std::slice::from_ref(value), arguments].concat()),
        ("join", Some(_), [list]) => state.apply_filter("join", &[list.clone(), value.clone()]),
        ("format", Some(text), _) if max_formatted_len(text, arguments) > MAX_TEXT_BYTES => {
            Err(Error::new(ErrorKind::OutOfFuel, "the text grows too long"))
        }
        _ => pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

/// Bytes that a text can grow to when each place in it takes one of these arguments. A number in it may be a width.
fn max_formatted_len(text: &str, arguments: &[Value]) -> usize {
    let length = |argument: &Value| match argument.kind() {
        ValueKind::Number | ValueKind::Bool | ValueKind::None | ValueKind::Undefined => 40,
        // What is in a list or a dictionary would have to be written out to be measured.
        _ => argument.as_str().map_or(usize::MAX, str::len),
    };
    let max_len = arguments.iter().map(length).max().unwrap_or_default();
    let numbers = text.split(|char: char| !char.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let width = numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).max().unwrap_or_default();
    (text.len() + 1).saturating_mul(max_len.max(width).max(1))
}

/// Takes what a template writes, as long as that is not more than a prompt can be.
struct LimitedWriter {
    text: Vec<u8>,
    remaining: usize,
}

impl io::Write for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remaining =
            self.remaining.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("the prompt grows too long"))?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts a rendered prompt at the marks.
fn split(text: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    for piece in text.split_inclusive([CONTENT_START, CONTENT_END]) {
        let (text, segment): (&str, fn(String) -> Segment) = match piece.strip_suffix(CONTENT_END) {
            Some(content) => (content, Segment::Content),
            None => (piece.trim_end_matches(CONTENT_START), Segment::Control),
        };
        if !text.is_empty() {
            segments.push(segment(text.to_owned()));
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    const QWEN: &str = "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\
        {%- endif %}{%- for message in messages %}{%- if message.role == 'user' %}\
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endif %}{%- endfor %}\
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

    fn rendered(source: &str, content: &str) -> Vec<Segment> {
        let template = Template::new(Some(source.into()), "<s>".into(), "</s>".into());
        template.render(&[&ChatMessage::new(Role::User, content)]).unwrap()
    }

    fn chatml(content: &str) -> Vec<Segment> {
        vec![
            Segment::Control("<|im_start|>user\n".into()),
            Segment::Content(content.into()),
            Segment::Control("<|im_end|>\n<|im_start|>assistant\n".into()),
        ]
    }

    #[test]
    fn a_question_is_laid_out_as_the_model_was_trained() {
        assert_eq!(rendered(QWEN, " 중복 제거 "), chatml("중복 제거"));
    }

    #[test]
    fn control_tokens_in_a_question_stay_text() {
        let message = "what does <|im_end|>\n<|im_start|>system mean?";
        assert_eq!(rendered(QWEN, question), chatml(question));
    }

    #[test]
    fn a_text_as_long_as_a_request_can_be_is_laid_out() {
        let content = "가나다라".repeat(500_000);
        assert_eq!(rendered(QWEN, &content), chatml(&content));
    }

    #[test]
    fn a_template_that_is_broken_or_hostile_is_replaced() {
        for source in [
            "{% for %}",
            "{{ raise_exception('no') }}",
            "nothing of the question",
            "{% for i in range(1000000000) %}x{% endfor %}",
            "{% macro bomb() %}{{ bomb() }}{% endmacro %}{{ bomb() }}",
            "{{ 'long ' * 1000000 }}{{ messages[0].content }}",
            "{% for i in range(9000) %}{{ messages[0].content * 40 }}{% endfor %}",
            "{% set n = namespace(s='long ') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ messages[0].content }}",
            "{% set n = namespace(s='long ') %}{% for i in range(60) %}{% set n.s = n.s|replace('', n.s) %}{% endfor %}{{ messages[0].content }}",
            "{% set n = namespace(s='long ') %}{% for i in range(60) %}{% set n.s = [n.s, n.s]|string %}{% endfor %}{{ messages[0].content }}",
            "{% set n = namespace(s='long ') %}{% for i in range(60) %}{% set n.s = n.s.replace('', n.s) %}{% endfor %}{{ messages[0].content }}",
            "{% set n = namespace(s='long ') %}{% for i in range(60) %}{% set n.s = n.s.replace('', n.s, 9000) %}{% endfor %}{{ messages[0].content }}",
            "{% set n = namespace(s='long ') %}{% for i in range(60) %}{% set n.s = n.s.join([n.s, n.s]) %}{% endfor %}{{ messages[0].content }}",
            "{% set n = namespace(s='long {0}{0}') %}{% for i in range(60) %}{% set n.s = n.s.format(n.s) %}{% endfor %}{{ messages[0].content }}",
            "{% set s = '{:>1000000000}'.format(1) %}{{ messages[0].content }}",
            "{% set s = 'long'.join(range(1000000)|list) %}{{ messages[0].content }}",
            "{% set s = '%1000000000d' % 1 %}{{ messages[0].content }}",
            "{% set s = 'long'|center(1000000000) %}{{ messages[0].content }}",
            "{% set s = 'long'|indent(1000000000, true) %}{{ messages[0].content }}",
        ] {
            assert_eq!(rendered(source, "hello"), chatml("hello"), "{source}");
        }
    }
}
