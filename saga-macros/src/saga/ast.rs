//! What a saga consists of, as written.

use proc_macro2::Ident;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FieldValue, Path, Token, Type, Visibility, token};

pub(super) struct Saga {
    pub(super) head: Head,
    pub(super) body: Vec<Stmt>,
    pub(super) tail: Option<Tail>,
}

/// `pub BookTrip<Agency>(trip: TripRequest) -> Itinerary`
pub(super) struct Head {
    pub(super) attrs: Vec<Attribute>,
    pub(super) krate: Path,
    pub(super) vis: Visibility,
    pub(super) name: Ident,
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
    pub(super) after: Vec<Ident>,
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
}

/// What a node runs.
pub(super) enum Step {
    Call(Call),
    /// `{ EXPR }`
    Value(Expr),
    /// Something that could not be read. The node's name is still one.
    Broken(Error),
}

/// `path { input: expr, .. }`
pub(super) struct Call {
    pub(super) path: Path,
    pub(super) brace: token::Brace,
    pub(super) inputs: Punctuated<FieldValue, Token![,]>,
}

impl Call {
    /// The last segment of the path, which names the node of a bare step.
    pub(super) fn name(&self) -> Option<&Ident> {
        self.path.segments.last().map(|last| &last.ident)
    }
}

/// The last line: what the saga returns.
pub(super) enum Tail {
    /// A call of an action or a plain struct: types tell.
    Literal(Call),
    /// The output of a node.
    Name(Ident),
    /// `{ EXPR }`
    Value(Expr),
    /// Something that could not be read.
    Broken,
}
