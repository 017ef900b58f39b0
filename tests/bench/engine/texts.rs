//! The benchmark's prompts: generated Python code, long enough for every measurement.

/// Python code, and editing tasks about it.
pub(crate) struct Texts {
    code: String,
}

/// Approximate characters per token of this code.
const CHARACTERS: usize = 4;

const NAMES: [&str; 12] = [
    "invoice", "customer", "parcel", "account", "article", "ticket", "booking", "student", "vehicle", "sensor",
    "recipe", "library",
];

const TASKS: [&str; 4] = [
    "Rename the parameter `limit` to `most` everywhere",
    "Add the type hint `-> None` to every method that returns nothing",
    "Fix the misspelt word `recieved` everywhere: it must be `received`",
    "Rename the class to `Registry` and change nothing else",
];

impl Texts {
    /// Generates the code; it is the same in every run.
    pub(crate) fn new() -> Self {
        Self { code: NAMES.iter().map(|name| module(name)).collect() }
    }

    /// Code of about `tokens` tokens.
    pub(crate) fn source(&self, tokens: usize) -> &str {
        let end = (tokens * CHARACTERS).min(self.code.len());
        let line = self.code[..end].rfind('\n').map_or(end, |line| line + 1);
        &self.code[..line]
    }

    /// The pieces of text that are typed at the end of a file.
    pub(crate) fn typed(&self) -> impl Iterator<Item = &'static str> + Clone {
        TYPED.split_inclusive(' ').flat_map(|words| words.split_inclusive('\n'))
    }

    /// Number of editing tasks.
    pub(crate) fn edits(&self) -> usize {
        TASKS.len()
    }

    /// The prompt of an editing task, in the model's chat template.
    pub(crate) fn edit(&self, number: usize) -> String {
        let (task, code) = (TASKS[number], module(NAMES[number]));
        format!(
            "<|im_start|>system\nYou edit Python files.<|im_end|>\n<|im_start|>user\n{task}. Print the whole file.\n```python\n\
             {code}```<|im_end|>\n<|im_start|>assistant\n```python\n"
        )
    }
}

const TYPED: &str = "def load_settings(path):
    with open(path) as file:
        settings = json.load(file)
    return settings
";

fn module(name: &str) -> String {
    let class = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    format!(
        r#"class {class}Store:
    """Keeps every {name} that was recieved, the newest first."""

    def __init__(self, limit=100):
        self.limit = limit
        self.items = []
        self.recieved = 0

    def add(self, {name}, limit=None):
        if limit is None:
            limit = self.limit
        self.items.insert(0, {name})
        self.recieved += 1
        while len(self.items) > limit:
            self.items.pop()

    def find(self, key, limit=10):
        found = []
        for {name} in self.items:
            if {name}["key"] == key:
                found.append({name})
            if len(found) == limit:
                break
        return found

    def remove(self, key):
        kept = [{name} for {name} in self.items if {name}["key"] != key]
        removed = len(self.items) - len(kept)
        self.items = kept
        return removed

    def total(self, field, limit=None):
        chosen = self.items if limit is None else self.items[:limit]
        return sum({name}.get(field, 0) for {name} in chosen)

    def report(self, limit=5):
        lines = [f"{{self.recieved}} recieved, {{len(self.items)}} kept"]
        for {name} in self.items[:limit]:
            lines.append(f"- {{{name}['key']}}: {{{name}.get('amount', 0)}}")
        return "\n".join(lines)


"#
    )
}
