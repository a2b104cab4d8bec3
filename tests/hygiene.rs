//! Generated code meets its surroundings: the strictest lints, other nets, types that have the names
//! of the runtime's, no prelude, any place where items may stand.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]

use nin::prelude::*;

/// One net, forward and a training step, on an image of its own size: the loss.
macro_rules! run {
    ($net:ty) => {{
        let images = [::nin::Image::zeros()];
        let mut net = <$net>::new(1);
        let logits = net.forward(&images[0], &mut <$net>::scratch());
        assert!(logits.iter().all(|z| z.is_finite()));
        let mut trainer = <$net>::trainer::<1>(::nin::Sgd::new(0.1), 1);
        trainer.step(&mut net, &images, &[1]).expect("a step")
    }};
}

mod two_nets {
    //! Both need the same transforms, and have layers of the same names.
    use nin::nin;

    nin! { pub First<input(1, 12, 12), block(16, kernel = 5, padding = 2), global_avg_pool> }
    nin! { pub Second<input(3, 12, 12), block(16, kernel = 5, padding = 2), global_avg_pool> }
}

#[test]
fn two_nets_share_a_module() {
    run!(two_nets::First);
    run!(two_nets::Second);
}

mod other_names {
    //! Types and macros of the user, named as those that generated code needs.
    #![allow(dead_code, non_camel_case_types, unused_imports, unused_macros)]

    pub struct Tensor;
    pub struct Result;
    pub struct Image;
    pub struct Vec;
    pub struct Path;
    pub struct Network;
    pub struct Transform;
    pub struct Tiles;
    pub enum Option {
        Some,
        None,
    }
    pub use self::Option::{None, Some};
    pub trait Clone {}
    pub trait Copy {}
    pub trait Into {}
    pub trait AsRef {}
    pub trait Sync {}
    pub trait FnOnce {}
    pub struct rt;
    pub mod core {}
    pub mod std {}
    pub mod alloc {}
    macro_rules! assert {
        () => {};
    }
    macro_rules! vec {
        () => {};
    }

    ::nin::nin! {
        pub Net<
            input(2, 14, 14),
            block(8, kernel = 5, padding = 2),
            max_pool(3, stride = 2),
            dropout(0.5),
            block(4, kernel = 3, padding = 1),
            global_avg_pool,
        >
    }
}

#[test]
fn types_of_the_user_may_have_the_names_of_the_runtime() {
    run!(other_names::Net);
}

mod no_prelude {
    #![no_implicit_prelude]

    ::nin::nin! {
        pub Net<
            input(2, 14, 14),
            max_pool(2),
            dropout(0.5),
            block(8, kernel = 5, padding = 2),
            avg_pool(3, stride = 2, ceil = true),
            block(4, kernel = 3, padding = 1, algorithm = direct),
            global_avg_pool,
        >
    }

    // Images so large that they go through the first layers one by one, or two by two.
    ::nin::nin! {
        pub Large<
            input(1, 72, 72),
            block(16, kernel = 3, padding = 1),
            max_pool(3, stride = 3),
            conv(4, kernel = 3),
            global_avg_pool,
        >
    }
}

#[test]
fn a_module_needs_no_prelude() {
    run!(no_prelude::Net);
    run!(no_prelude::Large);
}

/// A method's own net, where the names around it are generic.
struct Generic<T, const N: usize>([T; N]);

impl<T, const N: usize> Generic<T, N> {
    fn params(&self) -> usize {
        nin! { Local<input(1, 8, 8), conv(4, kernel = 3), global_avg_pool> }
        self.0.len() * Local::PARAMS
    }
}

/// A net made by the user's own macro, which hands the spec on.
macro_rules! net_of {
    ($name:ident, $side:literal, $($rest:tt)*) => {
        nin! { $name<input(1, $side, $side), $($rest)*> }
    };
}

net_of!(FromMacro, 10, conv(4, kernel = 3), global_avg_pool,);

#[test]
fn a_net_may_stand_wherever_an_item_may() {
    nin! { Inner<input(1, 8, 8), conv(4, kernel = 3), global_avg_pool> }
    let outer = run!(Inner);
    {
        // Another net of the same name, in a scope of its own.
        nin! { Inner<input(1, 9, 9), conv(4, kernel = 3), global_avg_pool> }
        assert_eq!(Inner::INPUT, [1, 9, 9]);
        run!(Inner);
    }
    let in_closure = || {
        nin! { Inner<input(1, 10, 10), conv(4, kernel = 3), global_avg_pool> }
        run!(Inner)
    };
    assert!(outer.is_finite() && in_closure().is_finite());
    assert_eq!(Generic([(); 2]).params(), 2 * Inner::PARAMS);
    run!(FromMacro);
}

nin! {
    #[doc(alias = "many attributes")]
    #[cfg_attr(all(), must_use)]
    /// A net with attributes of its author.
    Attributed<input(1, 8, 8), conv(4, kernel = 3), global_avg_pool>
}

/// What a user builds around a net.
#[derive(Clone, Debug)]
struct Model<N> {
    net: N,
}

#[test]
fn a_net_is_a_type_like_any_other() {
    let models: Vec<Model<Attributed>> = vec![Model { net: Attributed::new(1) }; 2];
    let [first, second] = &models[..] else { unreachable!("two of them") };
    assert_eq!(first.net.parameters(), second.net.parameters());
    let threads = std::thread::spawn(move || models.len());
    assert_eq!(threads.join().ok(), Some(2));
    let trainer: Option<nin::Trainer<Attributed, { Attributed::CLASSES }>> = None;
    assert!(trainer.is_none());
    let image: Box<Image<{ Attributed::INPUT[0] }, 8, { Attributed::INPUT[2] }>> = Image::zeros();
    let forward = Attributed::forward;
    assert!(forward(&Attributed::new(1), &image, &mut Attributed::scratch())[0].is_finite());
    assert!(format!("{:?}", Attributed::new(1)).contains("40 parameters"));
}
