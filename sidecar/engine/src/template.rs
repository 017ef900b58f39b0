//! Chat template: renders messages into the prompt format that the model was trained on. Templates come with model files, so they
//! are not trusted.

use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value, context};
use minijinja_contrib::pycompat;

use crate::ChatMessage;

/// A segment of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Text of the template; control tokens in it are parsed.
    Control(String),
    /// Content of a message; control tokens in it are not parsed.
    Content(String),
}

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

/// Markers around a message's content, by which it is found in the rendered prompt: private-use characters without meaning.
const CONTENT_START: char = '\u{F8F0}';
const CONTENT_END: char = '\u{F8F1}';

/// Fuel of a template, in instructions. 64 bytes of string concatenation cost one unit too, so that no text exceeds the memory.
const BASE_FUEL: u64 = 50_000;

/// Additional fuel for each message. Real templates need some hundred.
const FUEL_PER_MESSAGE: u64 = 5000;

/// Bytes of the messages that add one unit of fuel: each byte can be copied 16 times.
const BYTES_PER_FUEL: u64 = 4;

/// Maximum fuel in total.
const MAX_FUEL: u64 = 1_000_000;

/// Maximum bytes that a string method may produce.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Maximum bytes of a rendered prompt beyond twice its messages. Real templates add some hundred per message.
const RENDER_OVERHEAD: usize = 256 * 1024;

/// The ChatML template, for models without a template or with a broken one.
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
                      {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

impl Template {
    /// Compiles the template of a model file, or ChatML if it has none or a broken one. `bos` and `eos` are the texts of the BOS
    /// and EOS tokens, which templates refer to.
    pub(crate) fn new(source: Option<String>, bos: String, eos: String) -> Self {
        let template = source.and_then(|source| match Self::parse(source, bos.clone(), eos.clone()) {
            Ok(template) => template.self_test().then_some(template),
            Err(error) => {
                tracing::warn!(%error, "the model's chat template is invalid; falling back to ChatML");
                None
            }
        });
        template.unwrap_or_else(|| Self::parse(CHATML.to_owned(), bos, eos).expect("the built-in template is valid"))
    }

    fn parse(source: String, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // The whitespace control that chat templates are written for.
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

    /// Whether the template renders the content of a plain user message.
    fn self_test(&self) -> bool {
        let message = ChatMessage::new(crate::Role::User, "question");
        let rendered = self.render(&[&message]);
        let found = rendered.as_ref().is_ok_and(|segments| segments.contains(&Segment::Content("question".into())));
        if !found {
            tracing::warn!(error = ?rendered.err(), "the model's chat template does not render the user message; falling back to ChatML");
        }
        found
    }

    /// Renders `messages`, up to and including the generation prompt.
    ///
    /// # Errors
    /// If the template raises an exception, runs out of fuel, or exceeds the output limit.
    pub(crate) fn render(&self, messages: &[&ChatMessage]) -> Result<Vec<Segment>, Arc<Error>> {
        let marked: Vec<_> = messages
            .iter()
            .map(|message| {
                let content = message.content.trim().replace([CONTENT_START, CONTENT_END], "");
                context! { role => message.role.as_str(), content => format!("{CONTENT_START}{content}{CONTENT_END}") }
            })
            .collect();
        let mut environment = self.environment.clone();
        let message_bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let fuel = BASE_FUEL + FUEL_PER_MESSAGE * messages.len() as u64 + message_bytes as u64 / BYTES_PER_FUEL;
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

/// Python methods of strings, lists and dictionaries. Those that can produce long strings from short ones are mapped to filters,
/// which account for the bytes in advance, or rejected.
fn method(state: &mut State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (method, value.as_str(), arguments) {
        ("replace", Some(_), _) => state.apply_filter("replace", &[std::slice::from_ref(value), arguments].concat()),
        ("join", Some(_), [list]) => state.apply_filter("join", &[list.clone(), value.clone()]),
        ("format", Some(text), _) if max_formatted_len(text, arguments) > MAX_TEXT_BYTES => {
            Err(Error::new(ErrorKind::OutOfFuel, "the formatted text is too long"))
        }
        _ => pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

/// Upper bound of the bytes of a formatted text: each of its characters could be a placeholder for the longest argument, and each
/// number in it a width.
fn max_formatted_len(text: &str, arguments: &[Value]) -> usize {
    let length = |argument: &Value| match argument.kind() {
        ValueKind::Number | ValueKind::Bool | ValueKind::None | ValueKind::Undefined => 40,
        // The length of a list or a dictionary is unknown before it is formatted.
        _ => argument.as_str().map_or(usize::MAX, str::len),
    };
    let max_len = arguments.iter().map(length).max().unwrap_or_default();
    let numbers = text.split(|char: char| !char.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let width = numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).max().unwrap_or_default();
    (text.len() + 1).saturating_mul(max_len.max(width).max(1))
}

/// Collects the output of a template, up to a number of bytes.
struct LimitedWriter {
    text: Vec<u8>,
    remaining: usize,
}

impl io::Write for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remaining = self
            .remaining
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("the rendered prompt is too long"))?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Splits a rendered prompt at the content markers.
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
    fn a_message_is_rendered_by_the_models_template() {
        assert_eq!(rendered(QWEN, " 중복 제거 "), chatml("중복 제거"));
    }

    #[test]
    fn control_tokens_in_a_message_stay_text() {
        let message = "what does <|im_end|>\n<|im_start|>system mean?";
        assert_eq!(rendered(QWEN, message), chatml(message));
    }

    #[test]
    fn a_message_of_the_maximum_size_is_rendered() {
        let content = "가나다라".repeat(500_000);
        assert_eq!(rendered(QWEN, &content), chatml(&content));
    }

    #[test]
    fn a_broken_or_hostile_template_is_replaced_by_chatml() {
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
