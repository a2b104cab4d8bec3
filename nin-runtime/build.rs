//! Tells the runtime whether it is compiled for size, where the compiler writes no loops out and register tiles should be
//! few.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(for_size)");
    if std::env::var("OPT_LEVEL").is_ok_and(|level| matches!(&*level, "s" | "z")) {
        println!("cargo::rustc-cfg=for_size");
    }
}
