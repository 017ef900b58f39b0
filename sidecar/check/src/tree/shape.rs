//! How code is built: its functions, classes and imports, how deep it is nested, and how often the way parts.

use tree_sitter::{Node, Tree};

use super::{Grammar, Role, Step, walk};
use crate::analyze::{Class, Function, Import};

mod names;

/// Lists of functions, classes and imports end here; their counts do not.
const MOST: usize = 500;

/// How code is built.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub functions: Vec<Function>,
    pub classes: Vec<Class>,
    pub imports: Vec<Import>,
    /// How many there are of each, also of those that the lists have no room for.
    pub counts: Counts,
    /// The deepest nesting of branches and loops within a function or at the top.
    pub max_nesting: usize,
    /// McCabe's number of the whole: one, and one more for each point where the way parts.
    pub complexity: usize,
    /// The deepest nesting and the loops of each function, in the order of `functions`.
    pub depths: Vec<Depth>,
}

/// How many there are.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub functions: usize,
    pub classes: usize,
    pub imports: usize,
}

/// How deep a function is nested.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Depth {
    pub nesting: usize,
    pub loops: usize,
}

/// Reads the shape off a tree.
pub(crate) fn shape(tree: &Tree, grammar: &Grammar, code: &str) -> Shape {
    let mut reader = Reader {
        grammar,
        code,
        shape: Shape { complexity: 1, ..Shape::default() },
        path: Vec::new(),
        scopes: vec![Scope::default()],
        classes: Vec::new(),
    };
    walk(tree, |step| match step {
        Step::Enter(node) => reader.enter(node),
        Step::Leave => {
            reader.leave();
            false
        }
    });
    reader.shape.max_nesting = reader.shape.max_nesting.max(reader.scopes[0].depth.nesting);
    reader.own_methods();
    let Shape { functions, depths, .. } = &mut reader.shape;
    let mut order: Vec<usize> = (0..functions.len()).collect();
    order.sort_by_key(|index| (functions[*index].line, functions[*index].end_line));
    *depths = order.iter().map(|index| depths[*index]).collect();
    functions.sort_by_key(|function| (function.line, function.end_line));
    reader.shape
}

struct Reader<'a, 'tree> {
    grammar: &'a Grammar,
    code: &'a str,
    shape: Shape,
    /// The nodes from the root to the current one.
    path: Vec<Place<'tree>>,
    /// The top of the file, then the functions that the current node is in.
    scopes: Vec<Scope>,
    /// The classes that the current node is in.
    classes: Vec<String>,
}

/// A node on the way from the root, and what is to be undone when it ends.
struct Place<'tree> {
    node: Node<'tree>,
    nests: bool,
    loops: bool,
    holds: Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Nothing,
    Function,
    Class,
}

/// What is known so far of a function, or of the top of the file.
#[derive(Default)]
struct Scope {
    name: String,
    owner: Option<String>,
    line: u32,
    end_line: u32,
    parameters: usize,
    decisions: usize,
    now: Depth,
    depth: Depth,
    /// Whether there is a loop whose end cannot be told.
    endless: bool,
    recursive: bool,
    calls: bool,
}

impl<'tree> Reader<'_, 'tree> {
    fn enter(&mut self, node: Node<'tree>) -> bool {
        let role = self.grammar.role(node);
        let parent = self.path.last().map(|place| place.node);
        let mut place = Place { node, nests: false, loops: false, holds: Holds::Nothing };
        if role.is(Role::FUNCTION)
            && let Some(name) = names::function(node, parent, self.code)
        {
            self.open_function(node, name);
            place.holds = Holds::Function;
        } else if let Some(name) = names::class(node, role, self.code) {
            self.open_class(node, role, &name);
            self.classes.push(name);
            place.holds = Holds::Class;
        } else if role.is(Role::IMPORT) {
            let names = names::imports(node, self.code);
            self.shape.counts.imports += names.len();
            let line = row(node.start_position().row);
            let room = MOST.saturating_sub(self.shape.imports.len());
            self.shape.imports.extend(names.into_iter().take(room).map(|module| Import { module, line }));
        }
        self.count(node, parent, role, &mut place);
        self.path.push(place);
        true
    }

    /// Counts where the way parts, and how deep it is by now.
    fn count(&mut self, node: Node<'tree>, parent: Option<Node<'tree>>, role: Role, place: &mut Place<'tree>) {
        let code = self.code;
        let scope = self.scopes.last_mut().expect("the top of the file is always there");
        let branches = Role::LOOP.and(Role::INLINE_LOOP).and(Role::BRANCH);
        let decides = role.is(branches) || role.is(Role::DECISION) && names::is_a_case(node, code);
        if decides || is_logical(node, parent) {
            scope.decisions += 1;
            self.shape.complexity += 1;
        }
        let goes_on = role.is(Role::BRANCH) && parent.is_some_and(|parent| is_alternative(node, parent));
        place.nests = role.is(Role::LOOP.and(Role::BRANCH).and(Role::NEST)) && !goes_on;
        scope.now.nesting += usize::from(place.nests);
        scope.depth.nesting = scope.depth.nesting.max(scope.now.nesting);
        if role.is(Role::LOOP.and(Role::INLINE_LOOP)) {
            place.loops = role.is(Role::LOOP) && !names::is_constant(node, code);
            scope.endless |= names::is_endless(node);
            scope.now.loops += usize::from(place.loops);
            let inline = role.is(Role::INLINE_LOOP) && !names::is_constant(node, code);
            scope.depth.loops = scope.depth.loops.max(scope.now.loops + usize::from(inline));
        }
        if role.is(Role::CALL) {
            scope.calls = true;
            scope.recursive |= names::is_call_of(node, &scope.name, scope.owner.as_deref(), code);
        }
    }

    fn leave(&mut self) {
        let Some(place) = self.path.pop() else { return };
        let scope = self.scopes.last_mut().expect("the top of the file is always there");
        scope.now.nesting -= usize::from(place.nests);
        scope.now.loops -= usize::from(place.loops);
        match place.holds {
            Holds::Function => {
                let scope = self.scopes.pop().expect("it was put there when the function began");
                self.shape.counts.functions += 1;
                self.shape.max_nesting = self.shape.max_nesting.max(scope.depth.nesting);
                if self.shape.functions.len() < MOST {
                    self.shape.depths.push(scope.depth);
                    self.shape.functions.push(scope.into_function());
                }
            }
            Holds::Class => drop(self.classes.pop()),
            Holds::Nothing => {}
        }
    }

    fn open_function(&mut self, node: Node<'tree>, name: String) {
        let inside = self.path.iter().rev().find(|place| place.holds != Holds::Nothing);
        let class = inside.filter(|place| place.holds == Holds::Class).and_then(|_| self.classes.last().cloned());
        let owner = class.or_else(|| names::receiver(node, self.code));
        let (line, end_line) = (row(node.start_position().row), row(node.end_position().row));
        let parameters = names::parameters(node, self.code);
        self.scopes.push(Scope { name, owner, line, end_line, parameters, ..Scope::default() });
    }

    fn open_class(&mut self, node: Node<'tree>, role: Role, name: &str) {
        if role.is(Role::OWNER) {
            return;
        }
        self.shape.counts.classes += 1;
        if self.shape.classes.len() < MOST {
            let (line, end_line) = (row(node.start_position().row), row(node.end_position().row));
            self.shape.classes.push(Class { name: name.to_owned(), line, end_line, methods: 0 });
        }
    }

    /// Gives each class the number of functions that are named after it.
    fn own_methods(&mut self) {
        let mut methods = std::collections::HashMap::<&str, usize>::new();
        for owner in self.shape.functions.iter().filter_map(|function| Some(function.name.rsplit_once('.')?.0)) {
            *methods.entry(owner).or_default() += 1;
        }
        for class in &mut self.shape.classes {
            class.methods = methods.get(class.name.as_str()).copied().unwrap_or_default();
        }
    }
}

impl Scope {
    fn into_function(self) -> Function {
        let big_o_hint = match self.depth.loops {
            _ if self.endless || self.recursive => None,
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

/// Whether a word is a logical operator, after which the way parts.
fn is_logical(node: Node<'_>, parent: Option<Node<'_>>) -> bool {
    !node.is_named()
        && matches!(node.kind(), "&&" | "||" | "??" | "and" | "or")
        && parent.is_some_and(|parent| parent.kind().contains("binary") || parent.kind() == "boolean_operator")
}

/// Whether a branch is the `else if` of another, which nests nothing.
fn is_alternative(node: Node<'_>, parent: Node<'_>) -> bool {
    parent.kind() == "else_clause" || parent.child_by_field_name("alternative") == Some(node)
}

fn row(row: usize) -> u32 {
    u32::try_from(row + 1).unwrap_or(u32::MAX)
}
