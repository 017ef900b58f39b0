//! Formats a log line as one JSON object: time, level and message first, then the fields of the event and its spans.

use std::error::Error;
use std::fmt::{self, Debug};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Formats events as JSON lines. tracing-subscriber's own JSON omits the message where a library logs none, and hides
/// the request id in a list of spans.
pub(crate) struct JsonFormat;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    message: String,
    target: &'a str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for JsonFormat {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let Some(formatted) = extensions.get::<FormattedFields<JsonFields>>() else { continue };
            for (name, value) in serde_json::from_str::<Map<String, Value>>(formatted).unwrap_or_default() {
                fields.put(&name, value);
            }
        }
        event.record(&mut fields);
        let meta = event.metadata();
        let message = fields.message.unwrap_or_else(|| meta.target().to_owned());
        let line = Line {
            timestamp: jiff::Timestamp::now().to_string(),
            level: meta.level().as_str(),
            message,
            target: meta.target(),
            fields: fields.others,
        };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// The fields of an event. The later of two fields with the same name wins.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("message", Value::String(text)) => self.message = Some(text),
            // A JSON object must not have duplicate names.
            ("timestamp" | "level" | "target" | "message", value) => {
                self.others.insert(format!("{name}_"), value);
            }
            (name, value) => {
                self.others.insert(name.into(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field.name(), value.to_string().into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }
}
