//! The syntax tree of a saga, as written.

use super::attributes::Attributes;
use super::node_options::NodeOptions;
use crate::errors::as_text;
use proc_macro2::{Ident, Span};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FieldValue, LitStr, Pat, Path, Token, Type, Visibility, token};

pub(crate) struct Saga {
    pub(crate) head: Head,
    pub(crate) body: Body,
}

/// The body of a saga, a `for` or an arm: what is in the braces.
pub(crate) struct Body {
    pub(crate) stmts: Vec<Stmt>,
    pub(crate) tail: Option<Tail>,
    /// Why there is no last line, if it may be among what could not be read.
    pub(crate) broken: Option<Error>,
    /// The braces, or what takes their place.
    pub(crate) at: Span,
}

impl Body {
    /// All nodes, those in blocks of statements included, but not those in bodies of nodes.
    pub(crate) fn nodes(&self) -> Vec<&Node> {
        fn collect<'a>(stmts: &'a [Stmt], nodes: &mut Vec<&'a Node>) {
            for stmt in stmts {
                match stmt {
                    Stmt::Node(node) => nodes.push(node),
                    Stmt::Parallel(stmts) | Stmt::Branch(stmts) => collect(stmts, nodes),
                }
            }
        }
        let mut nodes = Vec::new();
        collect(&self.stmts, &mut nodes);
        nodes
    }
}

/// `pub BookTrip<Agency>(trip: TripRequest) -> Itinerary`
pub(crate) struct Head {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) krate: Path,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    /// `#[name = ".."]`
    pub(crate) durable: Option<LitStr>,
    /// `#[version = N]`
    pub(crate) version: Option<u32>,
    /// True for `#[retry(forever)]`: none of its nodes gives up.
    pub(crate) forever: bool,
    pub(crate) context: Type,
    pub(crate) params: Vec<Param>,
    pub(crate) output: Option<Type>,
    /// False if something above could not be read and is made up, so that nodes cannot be checked against it.
    pub(crate) complete: bool,
}

impl Head {
    pub(crate) fn returns_unit(&self) -> bool {
        match &self.output {
            None => true,
            Some(Type::Tuple(tuple)) => tuple.elems.is_empty(),
            Some(_) => false,
        }
    }
}

pub(crate) struct Param {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

pub(crate) enum Stmt {
    Node(Box<Node>),
    /// `parallel { .. }`
    Parallel(Vec<Stmt>),
    /// `{ .. }` inside `parallel`: one statement after the other.
    Branch(Vec<Stmt>),
}

impl Stmt {
    /// The node, if the statement is one and not a block.
    pub(crate) fn node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            Self::Parallel(_) | Self::Branch(_) => None,
        }
    }
}

pub(crate) struct Node {
    pub(crate) attributes: Attributes,
    pub(crate) name: Ident,
    pub(crate) form: NodeForm,
    pub(crate) ty: Option<Type>,
    pub(crate) step: Step,
}

impl Node {
    pub(crate) fn is_conditional(&self) -> bool {
        self.attributes.rustc.iter().any(|attr| attr.path().is_ident("cfg"))
    }
}

/// How a node is written.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum NodeForm {
    /// `let name = ..;`
    Let,
    /// `const NAME: T = ..;`
    Const,
    /// `action { .. };`: named after the action.
    Bare,
    /// `for .. { .. }` and `let _ = ..;`: named after its kind, with a number.
    Numbered,
    /// A `for`, `if`, `match`, `try` or `select` on the last line: named `output`.
    Last,
}

impl NodeForm {
    /// True if the user wrote the name as that of a variable.
    pub(crate) fn is_named_as_variable(self) -> bool {
        match self {
            Self::Let | Self::Last => true,
            Self::Const | Self::Bare | Self::Numbered => false,
        }
    }

    /// True for a node that nothing needs to read.
    pub(crate) fn runs_for_effect(self) -> bool {
        match self {
            Self::Bare | Self::Numbered => true,
            Self::Let | Self::Const | Self::Last => false,
        }
    }
}

/// What a node runs.
pub(crate) enum Step {
    Call(Call),
    /// `{ EXPR }`
    Value(Expr),
    For(Box<ForLoop>),
    Choice(Choice),
    /// Something that could not be read. The name of the node is known all the same.
    Broken(Error),
}

impl Step {
    /// What it runs, for rustdoc.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Call(call) => call.words(),
            Self::Value(_) => "computed".to_string(),
            Self::For(_) => "`for`".to_string(),
            Self::Choice(choose) => format!("`{}`", choose.word()),
            Self::Broken(_) => String::new(),
        }
    }
}

/// `path { input: expr, .. }`
pub(crate) struct Call {
    pub(crate) path: Path,
    pub(crate) brace: token::Brace,
    pub(crate) inputs: Punctuated<FieldValue, Token![,]>,
    /// `..rest`, which a plain struct may have.
    pub(crate) rest: Option<Box<(Token![..], Expr)>>,
}

impl Call {
    /// The last segment of the path, which names the node of a bare step.
    pub(crate) fn name(&self) -> Option<&Ident> {
        self.path.segments.last().map(|last| &last.ident)
    }

    /// What it runs, for rustdoc.
    pub(crate) fn words(&self) -> String {
        format!("`{}`", as_text(&self.path))
    }
}

/// `for PAT in EXPR { .. }`
pub(crate) struct ForLoop {
    pub(crate) keyword: Span,
    pub(crate) pat: Pat,
    pub(crate) items: Expr,
    pub(crate) body: Body,
}

/// `if` with all of its `else`, `match`, `try` with its `else`, or `select`.
pub(crate) struct Choice {
    pub(crate) keyword: Span,
    /// What a `match` is on, and its braces.
    pub(crate) on: Option<(Expr, token::Brace)>,
    pub(crate) arms: Vec<Arm>,
}

impl Choice {
    /// True if one of the arms runs to its end, whatever the values are.
    pub(crate) fn is_total(&self) -> bool {
        self.on.is_some()
            || self.is_select()
            || self.arms.last().is_some_and(|arm| matches!(arm.test, ArmTest::Else))
    }

    /// True for a `try`, whose `else` runs if the body fails.
    pub(crate) fn is_try(&self) -> bool {
        self.arms.first().is_some_and(|arm| matches!(arm.test, ArmTest::Try))
    }

    /// True for a `select`, whose arms wait.
    pub(crate) fn is_select(&self) -> bool {
        self.arms.first().is_some_and(|arm| matches!(arm.test, ArmTest::Wait(..)))
    }

    pub(crate) fn word(&self) -> &'static str {
        match &self.on {
            Some(_) => "match",
            None if self.is_try() => "try",
            None if self.is_select() => "select",
            None => "if",
        }
    }
}

pub(crate) struct Arm {
    pub(crate) test: ArmTest,
    pub(crate) body: Body,
}

/// When an arm runs.
pub(crate) enum ArmTest {
    If(Expr),
    /// The body of a `try`.
    Try,
    Else,
    /// `PAT if GUARD =>`
    Case(Pat, Option<Expr>),
    /// `PAT = WAIT =>`
    Wait(Pat, Box<Call>),
}

/// The last line: what the saga returns.
pub(crate) enum Tail {
    /// A call of an action or a saga, or a plain struct; only its type tells which.
    Literal(Call, NodeOptions),
    /// The output of a node.
    Name(Ident),
    /// `{ EXPR }`
    Value(Expr),
    /// Something that could not be read.
    Broken,
}

impl Tail {
    /// A call with its options, if the last line is one.
    pub(crate) fn call(&self) -> Option<(&Call, &NodeOptions)> {
        match self {
            Self::Literal(call, options) => Some((call, options)),
            Self::Name(_) | Self::Value(_) | Self::Broken => None,
        }
    }

    pub(crate) fn is_call(&self) -> bool {
        self.call().is_some()
    }

    /// The node whose output it is, if the last line is a name.
    pub(crate) fn name(&self) -> Option<&Ident> {
        match self {
            Self::Name(name) => Some(name),
            Self::Literal(..) | Self::Value(_) | Self::Broken => None,
        }
    }
}
