//! Writes the definition of a DAG: one builder call for each node, with the user's own literal in it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::closures::{self, called, last, run, value};
use super::keys::has_holes;
use super::pattern_constants::real_constant;
use super::reads::{bindings, wrong};
use super::spans::{here, local, path_placed};
use super::{control_flow, output};
use crate::errors::{Errors, unfinished};
use crate::names::{read, real};
use crate::saga::ast::{Call, Head, Node, NodeForm, Saga, Step, Stmt, Tail};
use crate::saga::expressions::unwrapped;
use crate::saga::node_options::NodeOptions;
use crate::saga::resolve::pivots::pivot;
use crate::saga::resolve::wiring::Wiring;
use crate::saga::resolve::{InnerBody, Line, Wired};

/// How many nodes of one body are declared in one function. LLVM takes more than twice as long for a function that is
/// twice as long, so each of the others is declared in a function of its own, which takes rustc a little longer. Where
/// a node is declared depends only on those before it, so that a line that is being typed changes none above it.
const IN_ONE_FUNCTION: usize = 50;

/// Writes the calls of `DagBuilder`.
pub(crate) struct Writer<'a> {
    pub(crate) head: &'a Head,
    pub(crate) dag: Ident,
    /// The node that is the point of no return.
    pivot: Option<&'a Ident>,
    /// True after the pivot, and everywhere if the head of the saga says `#[retry(forever)]`.
    after_pivot: Cell<bool>,
    /// The names that something reads.
    read: BTreeSet<String>,
    /// The constants that patterns compare with.
    compared: BTreeSet<String>,
    /// The errors that are not written yet.
    errors: RefCell<Errors>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        saga: &'a Saga,
        dag: Ident,
        read: BTreeSet<String>,
        compared: BTreeSet<String>,
        errors: Errors,
    ) -> Self {
        let head = &saga.head;
        let pivot = pivot(saga).map(|node| &node.name);
        let (after_pivot, errors) = (Cell::new(head.forever), RefCell::new(errors));
        Self { head, dag, pivot, after_pivot, read, compared, errors }
    }

    /// The errors that were not written in front of a node.
    pub(crate) fn unreported(self) -> Errors {
        self.errors.into_inner()
    }

    pub(crate) fn saga(&self, wired: &Wired) -> TokenStream {
        let (name, dag) = (&self.head.name, &self.dag);
        let params = self.head.params.iter().map(|param| {
            let (param, text) = (&param.name, param.name.unraw().to_string());
            quote!(let #param = #dag.param(#text, |__saga: &#name| &__saga.#param);)
        });
        let lines = self.lines(wired);
        let output = output(self.head);
        let tail = self.tail(wired, Some(&output), quote!(::core::unreachable!()));
        quote!(#(#params)* #lines #tail)
    }

    pub(crate) fn lines(&self, wired: &Wired) -> TokenStream {
        let dag = &self.dag;
        let mut nodes = 0;
        let lines = wired.lines.iter().map(|line| match line {
            Line::Parallel => quote!(#dag.parallel();),
            Line::Branch => quote!(#dag.branch();),
            Line::End => quote!(#dag.end();),
            Line::Node(node, wiring, bodies) => {
                nodes += 1;
                self.node(node, wiring, bodies, nodes > IN_ONE_FUNCTION)
            }
        });
        quote!(#(#lines)*)
    }

    /// `apart`: in a function of its own.
    fn node(&self, node: &Node, wiring: &Wiring, bodies: &[InnerBody], apart: bool) -> TokenStream {
        let (attrs, name) = (&node.attributes.rustc, &node.name);
        let errors = self.errors.borrow_mut().emit_before(name.span());
        let conditions = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        let conditions = conditions.collect::<Vec<_>>();
        // The user did not choose these names.
        let quiet = (!node.form.is_named_as_variable()).then(|| quote!(#[allow(non_snake_case)]));
        // Such a node runs for its effect, so nothing needs to read it.
        let for_effect = node.form.runs_for_effect();
        let read = for_effect.then(|| quote!(#(#conditions)* let _ = #name;));
        let broken = match &node.step {
            Step::Broken(error) => Some(error),
            Step::Call(_) | Step::Value(_) | Step::For(_) | Step::Choice(_) => {
                wiring.broken.as_ref()
            }
        };
        if let Some(error) = broken {
            let error = error.to_compile_error();
            return quote!(#errors #(#attrs)* let #name = #error;);
        }
        let text = name.unraw().to_string();
        let wrong = wrong(wiring);
        let ty = node.ty.as_ref();
        let mut constant = None;
        let call = match &node.step {
            Step::Call(call) => {
                let after_pivot = self.is_after_pivot(&node.attributes.options);
                let step = self.call(call, &text, ty, after_pivot, wiring);
                self.placed(step, apart, call.path.span())
            }
            Step::Value(expr) if node.form == NodeForm::Const => {
                let compared = self.compared.contains(&name.to_string());
                constant = compared.then(|| real_constant(&conditions, name, ty, expr));
                let closure = closures::constant(expr, ty, compared.then(|| real(name)));
                self.constant(expr, &text, closure, wiring)
            }
            Step::Value(expr) => {
                let cx = local("__cx", Span::call_site());
                let closure = value(expr, ty, wiring, &cx);
                let value = self.computed(expr, &text, closure, wiring);
                self.placed(value, apart, unwrapped(expr).span())
            }
            Step::For(for_loop) => {
                control_flow::for_loop(self, for_loop, &text, ty, wiring, bodies)
            }
            Step::Choice(choice) => control_flow::choice(self, choice, &text, ty, wiring, bodies),
            Step::Broken(_) => TokenStream::new(),
        };
        if self.pivot == Some(name) {
            self.after_pivot.set(true);
        }
        let options = self.options(&node.attributes.options, name);
        let options = options.map(|options| quote!(#(#conditions)* #options));
        // If a constant around the saga has the same name, rustc reports that once. A constant that is never
        // read stays a plain `let`, so that rustc calls it unused.
        let text = name.to_string();
        let is_read = node.form == NodeForm::Const
            && (self.read.contains(&text) || self.compared.contains(&text));
        let fresh = is_read.then(|| quote!(@ _));
        quote! {
            #errors
            #wrong
            #constant
            #quiet #(#attrs)*
            let #name #fresh = #call;
            #read
            #options
        }
    }

    /// The call of the builder for a node, if need be in a function of its own.
    fn placed(&self, call: TokenStream, apart: bool, at: Span) -> TokenStream {
        let dag = &self.dag;
        match apart {
            true => quote_spanned!(here(at)=> #dag.apart(|#dag| #call)),
            false => call,
        }
    }

    fn call(
        &self,
        call: &Call,
        text: &str,
        ty: Option<&Type>,
        after_pivot: bool,
        wiring: &Wiring,
    ) -> TokenStream {
        let dag = &self.dag;
        let cx = local("__cx", Span::call_site());
        let closure = match ty {
            None => called(call, after_pivot, wiring, &cx),
            Some(ty) => run(call, ty, after_pivot, wiring, &cx),
        };
        // Readers of the node go by the written type, right or wrong.
        let of = ty.filter(|ty| !has_holes(ty)).map(|ty| quote!(.of::<#ty>()));
        let (bindings, after) = (bindings(wiring), &wiring.after);
        // All of it is at the place of the call, so that rustc reports an action that does not fit only once.
        if after.is_empty() {
            return quote_spanned! {here(call.path.span())=>
                #dag.step(#text, #bindings, #closure) #of
            };
        }
        quote_spanned! {here(call.path.span())=>
            #dag.step_after(#text, #bindings, &[#(#after.id()),*], #closure) #of
        }
    }

    /// All of it is at the place of the expression, where rustc reports a value that cannot be stored.
    fn computed(
        &self,
        expr: &Expr,
        text: &str,
        closure: TokenStream,
        wiring: &Wiring,
    ) -> TokenStream {
        let at = here(unwrapped(expr).span());
        let (dag, bindings, after) = (&self.dag, bindings(wiring), &wiring.after);
        let krate = &self.head.krate;
        let computed = path_placed(quote!(#krate::__private::computed), at);
        quote_spanned!(at=> #computed(#dag, #text, #bindings, &[#(#after.id()),*], #closure))
    }

    /// The same for a constant, whose value exists before anything runs.
    fn constant(
        &self,
        expr: &Expr,
        text: &str,
        closure: TokenStream,
        wiring: &Wiring,
    ) -> TokenStream {
        let at = here(unwrapped(expr).span());
        let (dag, after) = (&self.dag, &wiring.after);
        quote_spanned!(at=> (#dag).constant(#text, &[#(#after.id()),*], #closure))
    }

    /// True if the node's action must never give up, and the node does not say that it never does.
    /// Writes nodes that need not be retried for ever, wherever they stand.
    pub(super) fn may_fail(&self, write: impl FnOnce() -> TokenStream) -> TokenStream {
        let after_pivot = self.after_pivot.replace(false);
        let written = write();
        self.after_pivot.set(after_pivot);
        written
    }

    fn is_after_pivot(&self, options: &NodeOptions) -> bool {
        self.after_pivot.get() && !options.is_forever()
    }

    /// The call that passes on what our attributes say about a node.
    fn options(&self, options: &NodeOptions, node: &Ident) -> Option<TokenStream> {
        let (dag, calls) = (&self.dag, options.calls(&self.head.krate));
        (!calls.is_empty()).then(|| quote!(#dag.adjust(#node, |__node| __node #calls);))
    }

    /// The last line, or what takes the place of one that cannot be written. If the type of the output is
    /// known, it is compared inside the node, where rustc's message mentions only types of the user's.
    pub(crate) fn tail(
        &self,
        wired: &Wired,
        output: Option<&Type>,
        instead: TokenStream,
    ) -> TokenStream {
        let (wiring, dag) = (&wired.tail, &self.dag);
        if !wired.ends || wiring.broken.is_some() {
            let name = wired.body.tail.as_ref().and_then(Tail::name);
            let typed = name.map(|name| unfinished(quote!(let _ = #name;)));
            return quote!(#typed #instead);
        }
        // Either the types were compared, or this is a body, whose type is not written.
        let ends = match output {
            Some(_) => quote!(ends_at),
            None => quote!(ends_with),
        };
        let cx = local("__cx", Span::call_site());
        let bindings = bindings(wiring);
        let reported = wrong(wiring);
        let node = match &wired.body.tail {
            None => return quote!(#dag.ends()),
            Some(Tail::Broken) => return instead,
            Some(Tail::Name(name)) => {
                let compare = output.filter(|_| !ends_in_construct(wired)).map(|output| {
                    let (krate, context) = (&self.head.krate, &self.head.context);
                    let read = read(name, &cx);
                    let compare = quote_spanned!(here(output.span())=> let _: &#output = #read;);
                    quote!(let _ = |#cx: &#krate::typed::Scope<#context>| { #compare };)
                });
                return quote!(#compare #dag.#ends(#name));
            }
            Some(Tail::Value(expr)) => {
                let closure = value(expr, output, wiring, &cx);
                match output {
                    Some(_) => quote!(#dag.computed_output::<Self, _>(#bindings, #closure)),
                    None => self.computed(expr, "output", closure, wiring),
                }
            }
            Some(Tail::Literal(call, options)) => {
                let after_pivot = self.is_after_pivot(options);
                let closure = last(self.head, call, output, after_pivot, wiring, &cx);
                let text = call.name().map(|name| name.unraw().to_string());
                quote_spanned!(here(call.path.span())=> #dag.tail(#text, #bindings, #closure))
            }
        };
        let tail = local("__tail", Span::call_site());
        let options = wired.body.tail.as_ref().and_then(Tail::call);
        let options = options.and_then(|(_, options)| self.options(options, &tail));
        quote! {
            #reported
            let #tail = #node;
            #options
            #dag.#ends(#tail)
        }
    }
}

/// True if the last line is a `for`, `if` or `match`, where its type is compared.
fn ends_in_construct(wired: &Wired) -> bool {
    let last = wired.body.stmts.last().and_then(Stmt::node);
    last.is_some_and(|node| node.form == NodeForm::Last)
}
