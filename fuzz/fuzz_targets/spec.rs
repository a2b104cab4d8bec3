//! No tokens make the compiler panic, from the words of a spec to the code of a net.

#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the modules are the compiler's, and not all of them is used here"
)]

use libfuzzer_sys::fuzz_target;

macro_rules! modules {
    ($($name:ident $path:literal)*) => { $(#[path = $path] mod $name;)* };
}

modules! {
    budget "../../nin-macros/src/budget.rs"
    check "../../nin-macros/src/check.rs"
    diag "../../nin-macros/src/diag.rs"
    emit "../../nin-macros/src/emit/mod.rs"
    lesson "../../nin-macros/src/lesson.rs"
    net "../../nin-macros/src/net/mod.rs"
    plan "../../nin-macros/src/plan/mod.rs"
    repair "../../nin-macros/src/repair.rs"
    shape "../../nin-macros/src/shape/mod.rs"
    source "../../nin-macros/src/source.rs"
    spec "../../nin-macros/src/spec/mod.rs"
    stand_in "../../nin-macros/src/stand_in.rs"
    weights "../../nin-macros/src/weights/mod.rs"
    winograd "../../nin-macros/src/winograd/mod.rs"
}

fuzz_target!(|text: &str| {
    let Ok(tokens) = text.parse::<proc_macro2::TokenStream>() else { return };
    let source = source::Source::new(tokens);
    let checked = check::check_and_prove(&source);
    for error in &checked.errors {
        let _ = error.to_tokens(&source);
    }
    let (Some(head), Some(net)) = (&checked.spec.head, &checked.net) else { return };
    net.verify().expect("a checked net is whole");
    let plan = plan::Plan::new(net);
    let _ = emit::emit(head, net, &plan, &lesson::table(net, &lesson::columns(&plan)));
});
