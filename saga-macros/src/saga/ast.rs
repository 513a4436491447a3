//! What a saga consists of, as written.

use super::attributes::Settings;
use crate::errors::as_text;
use proc_macro2::{Ident, Span};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FieldValue, LitStr, Pat, Path, Token, Type, Visibility, token};

pub(super) struct Saga {
    pub(super) head: Head,
    pub(super) body: Body,
}

/// What stands in the braces of a saga, a `for` or an arm.
pub(super) struct Body {
    pub(super) stmts: Vec<Stmt>,
    pub(super) tail: Option<Tail>,
    /// Why there is no last line, where one may be among what could not be read.
    pub(super) broken: Option<Error>,
    /// Its braces, or what stands for them.
    pub(super) at: Span,
}

/// `pub BookTrip<Agency>(trip: TripRequest) -> Itinerary`
pub(super) struct Head {
    pub(super) attrs: Vec<Attribute>,
    pub(super) krate: Path,
    pub(super) vis: Visibility,
    pub(super) name: Ident,
    /// `#[name = ".."]`
    pub(super) durable: Option<LitStr>,
    /// `#[retry(forever)]`: all of its nodes are.
    pub(super) forever: bool,
    pub(super) context: Type,
    pub(super) params: Vec<Param>,
    pub(super) output: Option<Type>,
    /// False if something above is made up, and the nodes could not be checked against it.
    pub(super) complete: bool,
}

impl Head {
    pub(super) fn returns_unit(&self) -> bool {
        match &self.output {
            None => true,
            Some(Type::Tuple(tuple)) => tuple.elems.is_empty(),
            Some(_) => false,
        }
    }
}

pub(super) struct Param {
    pub(super) attrs: Vec<Attribute>,
    pub(super) name: Ident,
    pub(super) ty: Type,
}

pub(super) enum Stmt {
    Node(Box<Node>),
    /// `parallel { .. }`
    Parallel(Vec<Stmt>),
    /// `{ .. }` inside of it: one after the other.
    Branch(Vec<Stmt>),
}

pub(super) struct Node {
    /// Those that rustc knows: `#[cfg]` and lints.
    pub(super) attrs: Vec<Attribute>,
    pub(super) docs: Vec<Attribute>,
    pub(super) after: Vec<Ident>,
    pub(super) settings: Settings,
    pub(super) name: Ident,
    pub(super) form: Form,
    pub(super) ty: Option<Type>,
    pub(super) step: Step,
}

impl Node {
    pub(super) fn is_conditional(&self) -> bool {
        self.attrs.iter().any(|attr| attr.path().is_ident("cfg"))
    }
}

/// How a node is written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// `let name = ..;`
    Let,
    /// `const NAME: T = ..;`
    Const,
    /// `action { .. };`: named after the action.
    Bare,
    /// `for .. { .. }`, and `let _ = ..;`: named after what it is, with a number.
    Numbered,
    /// A `for`, `if` or `match` on the last line: named `output`.
    Last,
}

/// What a node runs.
pub(super) enum Step {
    Call(Call),
    /// `{ EXPR }`
    Value(Expr),
    For(Box<Each>),
    Choose(Choose),
    /// Something that could not be read. The node's name is still one.
    Broken(Error),
}

impl Step {
    /// What it runs, for rustdoc.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Call(call) => call.words(),
            Self::Value(_) => "computed".to_string(),
            Self::For(_) => "`for`".to_string(),
            Self::Choose(choose) => format!("`{}`", choose.word()),
            Self::Broken(_) => String::new(),
        }
    }
}

/// `path { input: expr, .. }`
pub(super) struct Call {
    pub(super) path: Path,
    pub(super) brace: token::Brace,
    pub(super) inputs: Punctuated<FieldValue, Token![,]>,
    /// `..rest`, of a struct.
    pub(super) rest: Option<Box<(Token![..], Expr)>>,
}

impl Call {
    /// The last segment of the path, which names the node of a bare step.
    pub(super) fn name(&self) -> Option<&Ident> {
        self.path.segments.last().map(|last| &last.ident)
    }

    /// What it runs, for rustdoc.
    pub(super) fn words(&self) -> String {
        format!("`{}`", as_text(&self.path))
    }
}

/// `for PAT in EXPR { .. }`
pub(super) struct Each {
    pub(super) keyword: Span,
    pub(super) pat: Pat,
    pub(super) items: Expr,
    pub(super) body: Body,
}

/// `if` with all of its `else`, or `match`.
pub(super) struct Choose {
    pub(super) keyword: Span,
    /// What a `match` is on, and its braces.
    pub(super) on: Option<(Expr, token::Brace)>,
    pub(super) arms: Vec<Arm>,
}

impl Choose {
    /// True if one of the arms runs, whatever the values are.
    pub(super) fn is_total(&self) -> bool {
        self.on.is_some() || self.arms.last().is_some_and(|arm| matches!(arm.test, Test::Else))
    }

    pub(super) fn word(&self) -> &'static str {
        if self.on.is_some() { "match" } else { "if" }
    }
}

pub(super) struct Arm {
    pub(super) test: Test,
    pub(super) body: Body,
}

/// When an arm runs.
pub(super) enum Test {
    If(Expr),
    Else,
    /// `PAT if GUARD =>`
    Case(Pat, Option<Expr>),
}

/// The last line: what the saga returns.
pub(super) enum Tail {
    /// A call of an action or a plain struct: types tell.
    Literal(Call, Settings),
    /// The output of a node.
    Name(Ident),
    /// `{ EXPR }`
    Value(Expr),
    /// Something that could not be read.
    Broken,
}
