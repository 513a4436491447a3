//! Lifetimes of the inputs: a struct must name those that a function may omit.

use proc_macro2::Span;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericArgument, Lifetime, ParenthesizedGenericArguments, PathArguments, PathSegment,
    TypeFnPtr, TypeReference,
};

use super::function::Function;
use crate::fresh_names::Taken;

/// Names omitted lifetimes.
pub(crate) struct Elide {
    pub(crate) used: bool,
    pub(crate) lifetime: Lifetime,
}

impl Elide {
    pub(crate) fn new(function: &Function) -> Self {
        // This includes those of `for<'a>`, which must not hide ours.
        let mut named = Named(Taken::default());
        named.visit_signature(&function.sig);
        let name = named.0.free("a");
        Self { used: false, lifetime: Lifetime::new(&format!("'{name}"), Span::call_site()) }
    }

    fn name(&mut self, span: Span) -> Lifetime {
        self.used = true;
        let mut lifetime = self.lifetime.clone();
        lifetime.set_span(span);
        lifetime
    }
}

impl VisitMut for Elide {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.name(reference.and_token.span));
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    // rustc reports a `Cow<str>` at the function, and would report it again at the struct.
    fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
        if segment.ident == "Cow"
            && let PathArguments::AngleBracketed(arguments) = &mut segment.arguments
            && !matches!(arguments.args.first(), Some(GenericArgument::Lifetime(_)))
        {
            let lifetime = self.name(segment.ident.span());
            arguments.args.insert(0, GenericArgument::Lifetime(lifetime));
        }
        visit_mut::visit_path_segment_mut(self, segment);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.name(lifetime.span());
        }
    }

    // `fn(&T)` and `Fn(&T)` are about any lifetime.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }
}

/// Collects the lifetimes that have a name.
struct Named(Taken);

impl<'ast> Visit<'ast> for Named {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0.add(&lifetime.ident);
    }
}
