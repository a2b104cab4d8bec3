//! The front end as a whole: from tokens to a checked net or to all that is wrong.

use crate::diag::Error;
use crate::net::Net;
use crate::source::Source;
use crate::spec::{self, Spec};
use crate::{budget, repair, shape, weights};

/// What the front end makes of a spec.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) spec: Spec,
    /// Present if nothing is wrong.
    pub(crate) net: Option<Net>,
    /// In the order of the source.
    pub(crate) errors: Vec<Error>,
}

/// Reads and checks a spec. Repairs are offered, but not yet proven.
pub(crate) fn check(source: &Source) -> Checked {
    let mut errors = Vec::new();
    let spec = spec::parse(source, &mut errors);
    let mut net = shape::check(source, &spec, &mut errors);
    if let Some(net) = &mut net {
        errors.extend(budget::check(&spec.options, net));
        match weights::read(source, &spec.options, net) {
            Ok(pretrained) => net.pretrained = pretrained,
            Err(error) => errors.push(error),
        }
    }
    net = net.filter(|_| errors.is_empty());
    errors.sort_by_key(|error| error.at);
    Checked { spec, net, errors }
}

/// Reads and checks a spec, and proves the repairs of its errors.
pub(crate) fn check_and_prove(source: &Source) -> Checked {
    let mut checked = check(source);
    repair::prove(source, &mut checked.errors);
    checked
}
