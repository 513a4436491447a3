//! Reads the body of a saga. After a mistake it goes on with the next statement, so that a line that is
//! being typed is one error and no other node is lost.

use proc_macro2::{Delimiter, Group, Ident, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FieldValue, Path, Token, braced, token};

use super::ast::{Call, Form, Node, Saga, Step, Stmt, Tail};
use super::head::{head, skip_all};
use crate::errors::{Errors, did_you_mean, list};

/// Where a statement stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Body,
    Parallel,
    Branch,
}

/// What came of reading one statement.
enum Read {
    Stmt(Stmt),
    Tail(Tail),
    Nothing,
}

impl Read {
    fn node(node: Node) -> Self {
        Self::Stmt(Stmt::Node(Box::new(node)))
    }
}

/// One saga of the block.
pub(super) fn saga(input: ParseStream, errors: &mut Errors) -> Option<Saga> {
    let head = head(input, errors);
    if !input.peek(token::Brace) {
        return head.map(|head| Saga { head, body: Vec::new(), tail: Some(Tail::Broken) });
    }
    let parsed = (|| {
        let content;
        braced!(content in input);
        let before = errors.count();
        let (body, tail) = statements(&content, Place::Body, errors);
        // a last line may be among what could not be read
        let broken = errors.count() > before;
        Ok((body, tail.or(broken.then_some(Tail::Broken))))
    })();
    let (body, tail) = errors.ok(parsed)?;
    head.map(|head| Saga { head, body, tail })
}

fn statements(input: ParseStream, place: Place, errors: &mut Errors) -> (Vec<Stmt>, Option<Tail>) {
    let mut stmts = Vec::new();
    while !input.is_empty() {
        match statement(input, place, errors) {
            Ok(Read::Stmt(stmt)) => stmts.push(stmt),
            Ok(Read::Tail(tail)) => return (stmts, Some(tail)),
            Ok(Read::Nothing) => {}
            Err(error) => {
                errors.push(error);
                skip_statement(input);
            }
        }
    }
    (stmts, None)
}

fn statement(input: ParseStream, place: Place, errors: &mut Errors) -> syn::Result<Read> {
    let attrs = input.call(Attribute::parse_outer)?;
    if is_parallel(input) {
        no_attributes(&attrs, "`parallel`", errors);
        input.call(Ident::parse_any)?;
        let content;
        braced!(content in input);
        return Ok(Read::Stmt(Stmt::Parallel(statements(&content, Place::Parallel, errors).0)));
    }
    if input.peek(token::Brace) && place == Place::Parallel {
        no_attributes(&attrs, "a branch", errors);
        let content;
        braced!(content in input);
        return Ok(Read::Stmt(Stmt::Branch(statements(&content, Place::Branch, errors).0)));
    }
    let (attrs, after) = attributes(attrs, errors);
    if input.peek(Token![let]) {
        return node(input, attrs, after, errors).map(Read::node);
    }
    if input.peek(Token![const]) {
        return constant(input, attrs, after, errors).map(Read::node);
    }
    if let Some(error) = unsupported(input) {
        errors.push(error);
        skip_construct(input);
        return Ok(Read::Nothing);
    }
    if input.peek(token::Brace) {
        if place == Place::Branch {
            return Err(input.error("a branch stands directly in `parallel { .. }`"));
        }
        let block = input.parse::<Expr>()?;
        if !input.is_empty() {
            let message =
                "only the last line is an expression; a computed node is `let name = { .. };`";
            errors.at(first(&block), message);
            return Ok(Read::Nothing);
        }
        return Ok(Read::Tail(Tail::Value(block)));
    }
    bare(input, place, attrs, after, errors)
}

fn is_parallel(input: ParseStream) -> bool {
    input.peek(syn::Ident)
        && input.peek2(token::Brace)
        && input.fork().call(Ident::parse_any).is_ok_and(|name| name == "parallel")
}

fn no_attributes(attrs: &[Attribute], what: &str, errors: &mut Errors) {
    for attr in attrs {
        errors.at(attr, format!("{what} takes no attributes; put them on its nodes"));
    }
}

const LATER: &[&str] = &["pivot", "label", "retry", "timeout", "concurrency"];

/// Splits the attributes of a node into those for rustc and the names of `#[after(..)]`.
fn attributes(attrs: Vec<Attribute>, errors: &mut Errors) -> (Vec<Attribute>, Vec<Ident>) {
    const FOR_RUSTC: &[&str] = &["cfg", "allow", "expect", "warn", "deny", "forbid"];
    let (mut kept, mut after) = (Vec::new(), Vec::new());
    for attr in attrs {
        let name = attr.path().to_token_stream().to_string();
        if name == "after" {
            let parsed = attr.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated);
            match parsed {
                Ok(names) => after.extend(names),
                Err(_) => errors.at(&attr, "expected names of nodes: `#[after(a, b)]`"),
            }
        } else if FOR_RUSTC.contains(&name.as_str()) {
            kept.push(attr);
        } else if LATER.contains(&name.as_str()) {
            errors.at(attr.path(), format!("`#[{name}]` is not supported yet"));
        } else if name != "doc" {
            let known = ["after", "cfg", "allow", "expect", "warn", "deny"];
            let nearest = did_you_mean(&name, known.into_iter().chain(LATER.iter().copied()));
            let known = list(known);
            errors.at(attr.path(), format!("unknown attribute `{name}`{nearest} (a node takes {known})"));
        }
    }
    (kept, after)
}

/// `let name: Type = step;`
fn node(
    input: ParseStream,
    attrs: Vec<Attribute>,
    after: Vec<Ident>,
    errors: &mut Errors,
) -> syn::Result<Node> {
    input.parse::<Token![let]>()?;
    if let Some(keyword) = input.parse::<Option<Token![mut]>>()? {
        errors.at(keyword, "a node's output never changes: leave `mut` out");
    }
    if !input.peek(syn::Ident) || input.peek2(token::Brace) || input.peek2(token::Paren) {
        return Err(input.error("a node has one name: `let name = action { .. };`"));
    }
    let name = input.parse::<Ident>()?;
    let node = |ty, step| Node { attrs, after, name: name.clone(), form: Form::Let, ty, step };
    let head = (|| {
        let ty = input.parse::<Option<Token![:]>>()?.map(|_| input.parse()).transpose()?;
        let equals = input.parse::<Option<Token![=]>>()?.ok_or_else(|| {
            let message = format!("say what node `{name}` runs: `let {name} = action {{ .. }};`");
            Error::new_spanned(&name, message)
        })?;
        if input.is_empty() || input.peek(Token![let]) || input.peek(Token![;]) {
            let message = "expected an action and its inputs after `=`: `action { .. };`";
            return Err(Error::new_spanned(equals, message));
        }
        Ok(ty)
    })();
    let (ty, step) = match head {
        Ok(ty) => (ty, step(input)),
        Err(error) => (None, Step::Broken(error)),
    };
    finish(input, &step, errors);
    Ok(node(ty, step))
}

/// `const NAME: Type = expr;`
fn constant(
    input: ParseStream,
    attrs: Vec<Attribute>,
    after: Vec<Ident>,
    errors: &mut Errors,
) -> syn::Result<Node> {
    input.parse::<Token![const]>()?;
    let name = input.parse::<Ident>()?;
    input.parse::<Token![:]>()?;
    let ty = Some(input.parse()?);
    input.parse::<Token![=]>()?;
    let step = match input.parse() {
        Ok(expr) => Step::Value(expr),
        Err(error) => Step::Broken(error),
    };
    finish(input, &step, errors);
    Ok(Node { attrs, after, name, form: Form::Const, ty, step })
}

/// What stands after the `=`.
fn step(input: ParseStream) -> Step {
    if let Some(error) = unsupported(input) {
        return Step::Broken(error);
    }
    let parsed = if input.peek(token::Brace) {
        input.parse().map(Step::Value)
    } else {
        call(input).map(Step::Call)
    };
    parsed.unwrap_or_else(Step::Broken)
}

/// Reads up to the end of a statement whose step was read.
fn finish(input: ParseStream, step: &Step, errors: &mut Errors) {
    if let Step::Broken(error) = step {
        errors.push(error.clone());
        if unsupported(input).is_some() {
            skip_construct(input);
        } else if !starts_statement(input) {
            skip_statement(input);
        }
        return;
    }
    let here = input.cursor().span();
    if input.peek(Token![.]) || input.peek(Token![?]) {
        let message = "not needed here: the coordinator awaits each node and handles its error";
        let exit = input.parse::<TokenTree>().map(ToTokens::into_token_stream).unwrap_or_default();
        let keyword = input.parse::<Option<Token![await]>>().ok().flatten();
        errors.at(quote!(#exit #keyword), message);
        skip_statement(input);
        return;
    }
    if input.parse::<Option<Token![;]>>().is_ok_and(|semi| semi.is_some()) {
        return;
    }
    let end = match step {
        Step::Call(call) => call.brace.span.close(),
        Step::Value(Expr::Block(block)) => block.block.brace_token.span.close(),
        _ => here,
    };
    errors.push(Error::new(end, "expected `;` after this node"));
    if !starts_statement(input) {
        skip_statement(input);
    }
}

/// `action { .. };`, or the last line.
fn bare(
    input: ParseStream,
    place: Place,
    attrs: Vec<Attribute>,
    after: Vec<Ident>,
    errors: &mut Errors,
) -> syn::Result<Read> {
    let ahead = input.fork();
    let path = ahead.call(Path::parse_mod_style);
    let last = place == Place::Body;
    match path {
        Ok(path) if ahead.is_empty() && last => {
            input.call(Path::parse_mod_style)?;
            match path.get_ident() {
                Some(name) => return Ok(Read::Tail(Tail::Name(name.clone()))),
                None => return Err(needs_inputs(&path)),
            }
        }
        Ok(_) if ahead.peek(token::Brace) || ahead.peek(token::Paren) => {}
        Ok(path) if ahead.peek(Token![;]) || starts_statement(&ahead) || ahead.is_empty() => {
            input.call(Path::parse_mod_style)?;
            input.parse::<Option<Token![;]>>()?;
            errors.push(needs_inputs(&path));
            return Ok(Read::Nothing);
        }
        _ => {
            let expr = input.parse::<Expr>();
            let message = if last && input.is_empty() {
                "the last line is an action, the name of a node, or an expression in braces: `{ .. }`"
            } else {
                "expected a node, `let name = action { .. };` or `action { .. };`, or `parallel { .. }`"
            };
            return Err(match expr {
                Ok(expr) => Error::new_spanned(first(&expr), message),
                Err(error) => Error::new(error.span(), message),
            });
        }
    }
    let call = match call(input) {
        Ok(call) => call,
        Err(error) => {
            errors.push(error);
            if !starts_statement(input) {
                skip_statement(input);
            }
            return Ok(Read::Nothing);
        }
    };
    if last && input.is_empty() {
        for name in &after {
            errors.at(name, "the last line waits for everything above it");
        }
        return Ok(Read::Tail(Tail::Literal(call)));
    }
    let Some(name) = call.name().cloned() else { return Ok(Read::Nothing) };
    let step = Step::Call(call);
    finish(input, &step, errors);
    Ok(Read::node(Node { attrs, after, name, form: Form::Bare, ty: None, step }))
}

fn needs_inputs(path: &Path) -> Error {
    let text = text(path);
    Error::new_spanned(path, format!("the inputs of `{text}` are missing: `{text} {{ .. }}`"))
}

fn text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// `path { inputs }`
fn call(input: ParseStream) -> syn::Result<Call> {
    let not_an_action = "a node runs an action, `action { .. }`; an expression stands in braces: `{ .. }`";
    let here = input.fork();
    let path = input.call(Path::parse_mod_style).map_err(|error| match here.parse::<Expr>() {
        Ok(expr) => Error::new_spanned(first(&expr), not_an_action),
        Err(_) => error,
    })?;
    if input.peek(token::Paren) {
        let group = input.parse::<Group>()?;
        debug_assert!(group.delimiter() == Delimiter::Parenthesis);
        let text = text(&path);
        let message = format!("actions take named inputs: `{text} {{ .. }}`");
        return Err(Error::new_spanned(path, message));
    }
    if !input.peek(token::Brace) {
        if input.is_empty() || input.peek(Token![;]) || starts_statement(input) {
            return Err(needs_inputs(&path));
        }
        return Err(Error::new_spanned(path, not_an_action));
    }
    let content;
    let brace = braced!(content in input);
    let inputs = inputs(&content, &path).inspect_err(|_| skip_all(&content))?;
    Ok(Call { path, brace, inputs })
}

fn inputs(
    input: ParseStream,
    path: &Path,
) -> syn::Result<Punctuated<FieldValue, Token![,]>> {
    let mut inputs = Punctuated::new();
    while !input.is_empty() {
        if input.peek(Token![..]) {
            let rest = input.parse::<Token![..]>()?;
            let message = format!("a node names all inputs of its action: there is no `..` in `{}`", text(path));
            return Err(Error::new_spanned(rest, message));
        }
        inputs.push_value(input.parse()?);
        if input.is_empty() {
            break;
        }
        inputs.push_punct(input.parse()?);
    }
    Ok(inputs)
}

/// The error for a construct of the language that does not work yet.
fn unsupported(input: ParseStream) -> Option<Error> {
    let keyword = ["for", "if", "match", "while", "loop"]
        .into_iter()
        .zip([
            input.peek(Token![for]),
            input.peek(Token![if]),
            input.peek(Token![match]),
            input.peek(Token![while]),
            input.peek(Token![loop]),
        ])
        .find_map(|(keyword, here)| here.then_some(keyword))?;
    let message = match keyword {
        "while" | "loop" => format!("a saga cannot `{keyword}`: its nodes never run twice"),
        _ => format!("`{keyword}` is not supported yet"),
    };
    Some(Error::new(input.span(), message))
}

/// True where a new statement probably starts.
fn starts_statement(input: ParseStream) -> bool {
    input.is_empty()
        || input.peek(Token![let])
        || input.peek(Token![const])
        || input.peek(Token![#])
        || input.peek(syn::Ident)
}

/// Goes to the next statement.
fn skip_statement(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![let]) && !is_parallel(input) {
        let end = input.peek(Token![;]);
        if input.parse::<TokenTree>().is_err() || end {
            return;
        }
    }
}

/// Goes past the block or blocks of `for`, `if` or `match`.
fn skip_construct(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![;]) {
        let block = input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() {
            return;
        }
        if block && !input.peek(Token![else]) {
            break;
        }
    }
    let _ = input.parse::<Option<Token![;]>>();
}

/// The first token, for carets that would else cover several lines.
fn first(tokens: impl ToTokens) -> Option<TokenTree> {
    tokens.into_token_stream().into_iter().next()
}
