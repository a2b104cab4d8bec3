//! A transform as Rust code: one type that implements the runtime's `Transform`.

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::quote;

use super::program::{Op, Operand, Program};
use super::rational::Rational;
use super::{Map, Size, Transform};

/// The type `name` with F(m, r) as its implementation of the runtime's `Transform`; `rt` is in scope.
pub(crate) fn transform_impl(visibility: &TokenStream, name: &Ident, size: Size) -> TokenStream {
    let transform = Transform::new(size);
    let doc = format!(" {transform}");
    let [m, r, t] = [size.m, size.r, size.tile()].map(Literal::usize_unsuffixed);
    let sum = match transform.sum().map(Literal::usize_unsuffixed) {
        Some(point) => quote!(rt::Some(#point)),
        None => quote!(rt::None),
    };
    let methods = Map::ALL.map(|map| method(map.name(), transform.program(map)));
    quote! {
        #[doc = #doc]
        #[derive(rt::Clone, rt::Copy)]
        #visibility struct #name;

        impl rt::Transform<#m, #r, #t> for #name {
            const SUM: rt::Option<usize> = #sum;
            #(#methods)*
        }
    }
}

/// The name of a transform's type: `F4x5` is F(4, 5), and `F4x5With2` the one that shares points with
/// F(2, 5), which is `F2x5With4`.
pub(crate) fn transform_name(Size { m, r, with }: Size) -> String {
    let with = with.map(|other| format!("With{other}")).unwrap_or_default();
    format!("F{m}x{r}{with}")
}

/// The size that a name stands for.
fn named(name: &str) -> Option<Size> {
    let (size, with) = match name.split_once("With") {
        Some((size, with)) => (size, Some(with.parse().ok()?)),
        None => (name, None),
    };
    let (m, r) = size.strip_prefix('F')?.split_once('x')?;
    Some(Size { m: m.parse().ok()?, r: r.parse().ok()?, with })
}

/// The types that are [named](transform_name), for the whole crate.
pub(crate) fn transforms(names: TokenStream) -> TokenStream {
    let names = names.into_iter().filter_map(|tree| match tree {
        TokenTree::Ident(name) => Some(name),
        _ => None,
    });
    let visibility = quote!(pub(crate));
    let types = names.map(|name| match named(&name.to_string()) {
        Some(size) => transform_impl(&visibility, &name, size),
        None => quote!(::core::compile_error!("the transform F(4, 5) is named F4x5");),
    });
    types.collect()
}

fn method(name: &str, program: &Program) -> TokenStream {
    let name = Ident::new(name, Span::mixed_site());
    let from = Literal::usize_unsuffixed(program.inputs);
    let to = Literal::usize_unsuffixed(program.outputs.len());
    let inputs = (0..program.inputs).map(|i| variable(Operand::Input(i)));
    let lets = program.ops.iter().enumerate().map(|(i, &op)| {
        let (result, value) = (variable(Operand::Result(i)), expression(op));
        quote!(let #result = #value;)
    });
    let outputs = program.outputs.iter().map(|&output| variable(output));
    quote! {
        #[inline(always)]
        fn #name<V: rt::Vector>(x: [V; #from]) -> [V; #to] {
            let [#(#inputs),*] = x;
            #(#lets)*
            [#(#outputs),*]
        }
    }
}

fn variable(operand: Operand) -> Ident {
    let name = match operand {
        Operand::Input(i) => format!("x{i}"),
        Operand::Result(i) => format!("t{i}"),
    };
    Ident::new(&name, Span::mixed_site())
}

fn expression(op: Op) -> TokenStream {
    match op {
        Op::Add(a, b) => {
            let (a, b) = (variable(a), variable(b));
            quote!(#a + #b)
        }
        Op::Sub(a, b) => {
            let (a, b) = (variable(a), variable(b));
            quote!(#a - #b)
        }
        Op::Scale(a, c) => {
            let (a, c) = (variable(a), constant(c));
            quote!(#a.scale(#c))
        }
        Op::ScaleAdd(a, c, b) => {
            let (a, b, c) = (variable(a), variable(b), constant(c));
            quote!(#a.scale_add(#c, #b))
        }
    }
}

/// The fraction as a decimal where that is short and exact, else as a quotient, which the
/// compiler rounds to the nearest `f32`.
fn constant(c: Rational) -> TokenStream {
    let float = |value: i128| Literal::f64_unsuffixed(value.abs() as f64);
    let magnitude = if 16 % c.denominator() == 0 {
        let decimal = Literal::f64_unsuffixed(c.abs().to_f64());
        quote!(#decimal)
    } else {
        let (num, den) = (float(c.numerator()), float(c.denominator()));
        quote!(#num / #den)
    };
    if c.numerator() < 0 { quote!(-#magnitude) } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::super::cook_toom::tests::{pairs, sizes};
    use super::*;

    #[test]
    fn a_transform_is_a_type_with_readable_methods() {
        let expected = quote! {
            #[doc = " F(2, 3) on tiles of 4, from the points 0, ±1 and ∞."]
            #[derive(rt::Clone, rt::Copy)]
            struct F2x3;

            impl rt::Transform<2, 3, 4> for F2x3 {
                const SUM: rt::Option<usize> = rt::Some(1);
                #[inline(always)]
                fn input<V: rt::Vector>(x: [V; 4]) -> [V; 4] {
                    let [x0, x1, x2, x3] = x;
                    let t0 = x0 - x2;
                    let t1 = x1 + x2;
                    let t2 = x2 - x1;
                    let t3 = x3 - x1;
                    [t0, t1, t2, t3]
                }
                #[inline(always)]
                fn weight<V: rt::Vector>(x: [V; 3]) -> [V; 4] {
                    let [x0, x1, x2] = x;
                    let t0 = x0 + x2;
                    let t1 = t0.scale(0.5);
                    let t2 = x1.scale_add(0.5, t1);
                    let t3 = x1.scale_add(-0.5, t1);
                    [x0, t2, t3, x2]
                }
                #[inline(always)]
                fn output<V: rt::Vector>(x: [V; 4]) -> [V; 2] {
                    let [x0, x1, x2, x3] = x;
                    let t0 = x0 + x1;
                    let t1 = x2 + t0;
                    let t2 = x1 + x3;
                    let t3 = t2 - x2;
                    [t1, t3]
                }
                #[inline(always)]
                fn output_adjoint<V: rt::Vector>(x: [V; 2]) -> [V; 4] {
                    let [x0, x1] = x;
                    let t0 = x0 + x1;
                    let t1 = x0 - x1;
                    [x0, t0, t1, x1]
                }
                #[inline(always)]
                fn weight_adjoint<V: rt::Vector>(x: [V; 4]) -> [V; 3] {
                    let [x0, x1, x2, x3] = x;
                    let t0 = x1 + x2;
                    let t1 = t0.scale_add(0.5, x0);
                    let t2 = x1.scale(0.5);
                    let t3 = x2.scale_add(-0.5, t2);
                    let t4 = t0.scale_add(0.5, x3);
                    [t1, t3, t4]
                }
            }
        };
        let name = Ident::new("F2x3", Span::call_site());
        assert_eq!(
            transform_impl(&TokenStream::new(), &name, Size::new(2, 3)).to_string(),
            expected.to_string()
        );
    }

    #[test]
    fn names_stand_for_sizes() {
        for size in sizes().chain(pairs().flatten()) {
            assert_eq!(named(&transform_name(size)), Some(size));
        }
        assert_eq!(named("G4x5"), None);
        assert_eq!(named("F4x5Withx"), None);
    }

    #[test]
    fn constants_are_decimals_or_quotients() {
        let text = |num, den| constant(Rational::new(num, den)).to_string();
        assert_eq!(text(-21, 4), "- 5.25");
        assert_eq!(text(3, 1), "3.0");
        assert_eq!(text(225, 1024), "225.0 / 1024.0");
        assert_eq!(text(-2, 9), "- 2.0 / 9.0");
    }

    /// A quotient of floats is the nearest to the fraction only if both are exact.
    #[test]
    fn numerators_and_denominators_are_exact_in_f32() {
        for size in sizes().chain(pairs().flatten()) {
            let transform = Transform::new(size);
            for op in Map::ALL.iter().flat_map(|&map| &transform.program(map).ops) {
                if let Op::Scale(_, c) | Op::ScaleAdd(_, c, _) = op {
                    let exact = |value: i128| value.abs() <= 1 << f32::MANTISSA_DIGITS;
                    assert!(exact(c.numerator()) && exact(c.denominator()), "{size:?}: {c}");
                }
            }
        }
    }
}
