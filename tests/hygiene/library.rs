//! Nets in a library, which clippy and rustc hold to everything that its author asks of it. Built with
//! the tests; its lints are the test.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, missing_debug_implementations, unused)]
#![deny(nonstandard_style, rust_2018_idioms, future_incompatible, let_underscore)]
#![deny(unnameable_types, unreachable_pub, unused_qualifications, single_use_lifetimes)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]

use nin::prelude::*;

nin! {
    /// What other crates see.
    pub PublicNet<
        input(1, 12, 12),
        block(8, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        dropout(0.5),
        conv(4, kernel = 3, relu = false),
        global_avg_pool,
    >
}

nin! {
    /// Images so large that they go through the first layers one by one, or two by two.
    pub LargeNet<
        input(1, 72, 72),
        block(16, kernel = 3, padding = 1),
        max_pool(3, stride = 3),
        conv(4, kernel = 3),
        global_avg_pool,
    >
}

pub mod deeper {
    //! Nets that are seen as far as their authors say.

    use nin::nin;

    nin! { pub(crate) CrateNet<input(3, 6, 6), conv(4, kernel = 3, padding = 1), global_avg_pool> }
    nin! { pub(super) SuperNet<input(3, 6, 6), conv(4, kernel = 3, padding = 1), global_avg_pool> }
    nin! { pub(in crate::deeper) InNet<input(3, 6, 6), conv(4, kernel = 3, padding = 1), global_avg_pool> }
    nin! { PrivateNet<input(3, 6, 6), conv(4, kernel = 3, padding = 1), global_avg_pool> }

    /// The parameters of the two nets that nothing outside sees.
    pub const HIDDEN: usize = InNet::PARAMS + PrivateNet::PARAMS;
}

/// The parameters of all nets that this library defines.
pub const PARAMS: usize = LargeNet::PARAMS
    + PublicNet::PARAMS
    + deeper::CrateNet::PARAMS
    + deeper::SuperNet::PARAMS
    + deeper::HIDDEN;
