//! Which instruction set to use: found once, forced by `NIN_ISA`, entered by [`Isa::run`].

use super::{Kernel, Simd, scalar::Scalar};

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// Plain Rust, on every processor.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// Every instruction set of this processor, slowest first. Miri's has plain Rust alone.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let has = super::cpuid::Features::get();
        [
            Some(Self::SCALAR),
            #[cfg(target_arch = "x86_64")]
            has.avx2.then_some(Self(Kind::Avx2)),
            #[cfg(target_arch = "x86_64")]
            has.avx512f.then_some(Self(Kind::Avx512)),
            #[cfg(target_arch = "aarch64")]
            Some(Self(Kind::Neon)),
        ]
        .into_iter()
        .flatten()
    }

    /// The best instruction set of this processor, or the one that the environment variable
    /// `NIN_ISA` names; looked up once.
    ///
    /// # Panics
    /// If `NIN_ISA` names an instruction set that is unknown or that this processor lacks.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn get() -> Self {
        static ISA: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
        *ISA.get_or_init(|| match std::env::var("NIN_ISA") {
            Err(_) => Self::best(),
            Ok(name) => Self::available().find(|isa| isa.name() == name).unwrap_or_else(|| {
                let names: std::vec::Vec<_> = Self::available().map(Self::name).collect();
                panic!(
                    "NIN_ISA={name} is not to be had here; this processor has {}",
                    names.join(", ")
                )
            }),
        })
    }

    /// The best instruction set of this processor.
    #[cfg(not(feature = "std"))]
    #[must_use]
    pub fn get() -> Self {
        Self::best()
    }

    fn best() -> Self {
        Self::available().last().unwrap_or(Self::SCALAR)
    }

    /// The name that `NIN_ISA` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
        }
    }

    /// Runs a kernel, compiled for this instruction set.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => run_baseline(Scalar, kernel),
            // SAFETY: an `Isa` of this kind is made only after the processor was asked.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { run_avx512(kernel) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => run_baseline(super::neon::Neon::new(), kernel),
        }
    }
}

/// Runs a kernel with instructions that every processor of the target has. Never inlined, since the copies in
/// callers would take longer to compile than all else.
#[inline(never)]
fn run_baseline<K: Kernel>(simd: impl Simd, kernel: K) -> K::Output {
    kernel.run(simd)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is entered only where the instructions are there.
    kernel.run(unsafe { super::x86::Avx2::new() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt,avx512f")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is entered only where the instructions are there.
    kernel.run(unsafe { super::x86::Avx512::new() })
}
