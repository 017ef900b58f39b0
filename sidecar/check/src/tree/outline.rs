//! Outline of a file: functions, classes and imports, with nesting depth and cyclomatic complexity.

use tree_sitter::{Node, Tree};

use super::{Grammar, Role, WalkEvent, walk};
use crate::analyze::{Class, Function, Import};

mod symbols;

/// Maximum length of each list of functions, classes and imports. [`Counts`] are not limited.
const MAX_SYMBOLS: usize = 500;

/// The outline of a file.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub functions: Vec<Function>,
    pub classes: Vec<Class>,
    pub imports: Vec<Import>,
    /// Total numbers, including the symbols beyond [`MAX_SYMBOLS`].
    pub counts: Counts,
    /// Deepest nesting of branches and loops in any function or at file level.
    pub max_nesting: usize,
    /// Cyclomatic complexity of the file (McCabe 1976): number of decision points plus one.
    pub cyclomatic_complexity: usize,
    /// Nesting depth of each function, parallel to `functions`.
    pub depths: Vec<NestingDepth>,
}

/// Total numbers of symbols.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub functions: usize,
    pub classes: usize,
    pub imports: usize,
}

/// Nesting depth inside a function.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct NestingDepth {
    /// Nested branches, loops and other blocks.
    pub nesting: usize,
    /// Nested loops whose iteration count depends on the input.
    pub loops: usize,
}

/// Builds the outline of a tree. Functions are in source order.
pub(crate) fn outline(tree: &Tree, grammar: &Grammar, code: &str) -> Outline {
    let mut builder = OutlineBuilder {
        grammar,
        code,
        outline: Outline { cyclomatic_complexity: 1, ..Outline::default() },
        path: Vec::new(),
        scopes: vec![Scope::default()],
        classes: Vec::new(),
    };
    walk(tree, |event| match event {
        WalkEvent::Enter(node) => builder.enter(node),
        WalkEvent::Leave => {
            builder.leave();
            false
        }
    });
    builder.outline.max_nesting = builder.outline.max_nesting.max(builder.scopes[0].max_depth.nesting);
    builder.count_methods();
    let Outline { functions, depths, .. } = &mut builder.outline;
    let mut order: Vec<usize> = (0..functions.len()).collect();
    order.sort_by_key(|index| (functions[*index].line, functions[*index].end_line));
    *depths = order.iter().map(|index| depths[*index]).collect();
    functions.sort_by_key(|function| (function.line, function.end_line));
    builder.outline
}

struct OutlineBuilder<'a, 'tree> {
    grammar: &'a Grammar,
    code: &'a str,
    outline: Outline,
    /// The nodes from the root to the current one.
    path: Vec<NodeContext<'tree>>,
    /// The file, then the functions that enclose the current node.
    scopes: Vec<Scope>,
    /// The classes that enclose the current node.
    classes: Vec<String>,
}

/// A node on the path from the root, and what to undo when the walk leaves it.
struct NodeContext<'tree> {
    node: Node<'tree>,
    nests: bool,
    loops: bool,
    container: Container,
}

/// What kind of symbol a node opens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    None,
    Function,
    Class,
}

/// What has been collected about a function, or about the file level.
#[derive(Default)]
struct Scope {
    name: String,
    owner: Option<String>,
    line: u32,
    end_line: u32,
    parameters: usize,
    decisions: usize,
    current: NestingDepth,
    max_depth: NestingDepth,
    /// Contains a loop with an unknown iteration count.
    unbounded: bool,
    recursive: bool,
    calls: bool,
}

impl<'tree> OutlineBuilder<'_, 'tree> {
    fn enter(&mut self, node: Node<'tree>) -> bool {
        let role = self.grammar.role(node);
        let parent = self.path.last().map(|context| context.node);
        let mut context = NodeContext { node, nests: false, loops: false, container: Container::None };
        if role.has_any(Role::FUNCTION)
            && let Some(name) = symbols::function_name(node, parent, self.code)
        {
            self.open_function(node, name);
            context.container = Container::Function;
        } else if let Some(name) = symbols::class_name(node, role, self.code) {
            self.open_class(node, role, &name);
            self.classes.push(name);
            context.container = Container::Class;
        } else if role.has_any(Role::IMPORT) {
            let names = symbols::imported_modules(node, self.code);
            self.outline.counts.imports += names.len();
            let line = line_number(node.start_position().row);
            let remaining = MAX_SYMBOLS.saturating_sub(self.outline.imports.len());
            self.outline.imports.extend(names.into_iter().take(remaining).map(|module| Import { module, line }));
        }
        self.measure(node, parent, role, &mut context);
        self.path.push(context);
        true
    }

    /// Updates complexity and nesting depth of the current scope.
    fn measure(
        &mut self,
        node: Node<'tree>,
        parent: Option<Node<'tree>>,
        role: Role,
        context: &mut NodeContext<'tree>,
    ) {
        let code = self.code;
        let scope = self.scopes.last_mut().expect("the scope of the file is never popped");
        let branches = Role::LOOP.or(Role::INLINE_LOOP).or(Role::BRANCH);
        let is_decision =
            role.has_any(branches) || role.has_any(Role::DECISION) && symbols::is_explicit_case(node, code);
        if is_decision || is_logical(node, parent) {
            scope.decisions += 1;
            self.outline.cyclomatic_complexity += 1;
        }
        let is_else_if = role.has_any(Role::BRANCH) && parent.is_some_and(|parent| is_alternative(node, parent));
        context.nests = role.has_any(Role::LOOP.or(Role::BRANCH).or(Role::NESTING)) && !is_else_if;
        scope.current.nesting += usize::from(context.nests);
        scope.max_depth.nesting = scope.max_depth.nesting.max(scope.current.nesting);
        if role.has_any(Role::LOOP.or(Role::INLINE_LOOP)) {
            context.loops = role.has_any(Role::LOOP) && !symbols::is_constant_loop(node, code);
            scope.unbounded |= symbols::is_unbounded_loop(node);
            scope.current.loops += usize::from(context.loops);
            let inline = role.has_any(Role::INLINE_LOOP) && !symbols::is_constant_loop(node, code);
            scope.max_depth.loops = scope.max_depth.loops.max(scope.current.loops + usize::from(inline));
        }
        if role.has_any(Role::CALL) {
            scope.calls = true;
            scope.recursive |= symbols::is_call_of(node, &scope.name, scope.owner.as_deref(), code);
        }
    }

    fn leave(&mut self) {
        let Some(context) = self.path.pop() else { return };
        let scope = self.scopes.last_mut().expect("the scope of the file is never popped");
        scope.current.nesting -= usize::from(context.nests);
        scope.current.loops -= usize::from(context.loops);
        match context.container {
            Container::Function => {
                let scope = self.scopes.pop().expect("`open_function` has pushed it");
                self.outline.counts.functions += 1;
                self.outline.max_nesting = self.outline.max_nesting.max(scope.max_depth.nesting);
                if self.outline.functions.len() < MAX_SYMBOLS {
                    self.outline.depths.push(scope.max_depth);
                    self.outline.functions.push(scope.into_function());
                }
            }
            Container::Class => drop(self.classes.pop()),
            Container::None => {}
        }
    }

    fn open_function(&mut self, node: Node<'tree>, name: String) {
        let enclosing = self.path.iter().rev().find(|context| context.container != Container::None);
        let class = enclosing
            .filter(|context| context.container == Container::Class)
            .and_then(|_| self.classes.last().cloned());
        let owner = class.or_else(|| symbols::receiver_type(node, self.code));
        let (line, end_line) = (line_number(node.start_position().row), line_number(node.end_position().row));
        let parameters = symbols::parameter_count(node, self.code);
        self.scopes.push(Scope { name, owner, line, end_line, parameters, ..Scope::default() });
    }

    fn open_class(&mut self, node: Node<'tree>, role: Role, name: &str) {
        if role.has_any(Role::IMPL) {
            return;
        }
        self.outline.counts.classes += 1;
        if self.outline.classes.len() < MAX_SYMBOLS {
            let (line, end_line) = (line_number(node.start_position().row), line_number(node.end_position().row));
            self.outline.classes.push(Class { name: name.to_owned(), line, end_line, methods: 0 });
        }
    }

    /// Sets the number of methods of each class, from the qualified names of functions.
    fn count_methods(&mut self) {
        let mut methods = std::collections::HashMap::<&str, usize>::new();
        for owner in self.outline.functions.iter().filter_map(|function| Some(function.name.rsplit_once('.')?.0)) {
            *methods.entry(owner).or_default() += 1;
        }
        for class in &mut self.outline.classes {
            class.methods = methods.get(class.name.as_str()).copied().unwrap_or_default();
        }
    }
}

impl Scope {
    fn into_function(self) -> Function {
        let big_o_hint = match self.max_depth.loops {
            _ if self.unbounded || self.recursive => None,
            0 if self.calls => None,
            0 => Some("O(1)".to_owned()),
            1 => Some("O(n)".to_owned()),
            power => Some(format!("O(n^{power})")),
        };
        let name = match &self.owner {
            Some(owner) => format!("{owner}.{}", self.name),
            None => self.name,
        };
        Function {
            name,
            line: self.line,
            end_line: self.end_line,
            parameters: self.parameters,
            complexity: self.decisions + 1,
            big_o_hint,
        }
    }
}

/// Whether a node is a short-circuit operator, which is a decision point.
fn is_logical(node: Node<'_>, parent: Option<Node<'_>>) -> bool {
    !node.is_named()
        && matches!(node.kind(), "&&" | "||" | "??" | "and" | "or")
        && parent.is_some_and(|parent| parent.kind().contains("binary") || parent.kind() == "boolean_operator")
}

/// Whether a branch is the `else if` of another, which does not add a nesting level.
fn is_alternative(node: Node<'_>, parent: Node<'_>) -> bool {
    parent.kind() == "else_clause" || parent.child_by_field_name("alternative") == Some(node)
}

fn line_number(row: usize) -> u32 {
    u32::try_from(row + 1).unwrap_or(u32::MAX)
}
