//! Curated catalog of recommended models, smallest first, with the sizes that memory planning needs before the download.
//!
//! The sizes are those of the files and of `config.json` in the repositories; the hub reports the exact bytes at the download.

use engine::memory_plan::{DoesNotFit, MemoryPlan, ModelSize};

use super::{FileName, Repository};

const MIB: u64 = 1024 * 1024;

/// CPU cores from which on the second model generates as fast as people read.
const MIN_CORES: usize = 4;

/// A model of the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its published name.
    pub name: &'static str,
    repository: &'static str,
    file: &'static str,
    /// Approximate size of its file, in bytes.
    pub bytes: u64,
    /// SPDX-like id of its licence.
    pub license: &'static str,
    /// Whether the licence allows every use, commercial use included.
    pub commercial_use: bool,
    /// Its size, for memory planning.
    pub size: ModelSize,
}

impl Entry {
    /// Its repository on the hub.
    ///
    /// # Panics
    /// Never: the tests parse every entry.
    #[must_use]
    pub fn repository(&self) -> Repository {
        Repository::try_from(self.repository.to_owned()).expect("catalog entries are valid")
    }

    /// Its file in the repository.
    ///
    /// # Panics
    /// Never: the tests parse every entry.
    #[must_use]
    pub fn file(&self) -> FileName {
        FileName::try_from(self.file.to_owned()).expect("catalog entries are valid")
    }
}

/// The values that all entries share.
const QWEN: ModelSize = ModelSize {
    weights: 0,
    embedding_bytes: 0,
    output_bytes: 0,
    layers: 0,
    kv_bytes_per_token: 0,
    n_vocab: 151_936,
    n_embd: 0,
    n_head: 0,
    context: 32_768,
};

/// The catalog, smallest model first.
pub const ALL: [Entry; 5] = [
    Entry {
        name: "Qwen2.5 Coder 0.5B",
        repository: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes: 491_400_064,
        license: "apache-2.0",
        commercial_use: true,
        size: ModelSize {
            weights: 463 * MIB,
            output_bytes: 138 * MIB,
            layers: 24,
            kv_bytes_per_token: 12_288,
            n_embd: 896,
            n_head: 14,
            ..QWEN
        },
    },
    Entry {
        name: "Qwen2.5 Coder 1.5B",
        repository: "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        bytes: 1_117_000_000,
        license: "apache-2.0",
        commercial_use: true,
        size: ModelSize {
            weights: 1060 * MIB,
            output_bytes: 183 * MIB,
            layers: 28,
            kv_bytes_per_token: 28_672,
            n_embd: 1536,
            n_head: 12,
            ..QWEN
        },
    },
    Entry {
        name: "Qwen2.5 Coder 3B",
        repository: "Qwen/Qwen2.5-Coder-3B-Instruct-GGUF",
        file: "qwen2.5-coder-3b-instruct-q4_k_m.gguf",
        bytes: 2_100_000_000,
        license: "qwen-research",
        commercial_use: false,
        size: ModelSize {
            weights: 1998 * MIB,
            output_bytes: 244 * MIB,
            layers: 36,
            kv_bytes_per_token: 36_864,
            n_embd: 2048,
            n_head: 16,
            ..QWEN
        },
    },
    Entry {
        name: "Qwen2.5 Coder 7B",
        repository: "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        file: "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        bytes: 4_683_000_000,
        license: "apache-2.0",
        commercial_use: true,
        size: ModelSize {
            weights: 4460 * MIB,
            embedding_bytes: 292 * MIB,
            output_bytes: 426 * MIB,
            layers: 28,
            kv_bytes_per_token: 57_344,
            n_vocab: 152_064,
            n_embd: 3584,
            n_head: 28,
            context: 131_072,
        },
    },
    Entry {
        name: "Qwen2.5 Coder 14B",
        repository: "Qwen/Qwen2.5-Coder-14B-Instruct-GGUF",
        file: "qwen2.5-coder-14b-instruct-q4_k_m.gguf",
        bytes: 8_988_000_000,
        license: "apache-2.0",
        commercial_use: true,
        size: ModelSize {
            weights: 8565 * MIB,
            embedding_bytes: 418 * MIB,
            output_bytes: 609 * MIB,
            layers: 48,
            kv_bytes_per_token: 196_608,
            n_vocab: 152_064,
            n_embd: 5120,
            n_head: 40,
            context: 131_072,
        },
    },
];

/// The index of the recommended model, given the memory plan of each: the largest that fits on the GPU as a whole; on a CPU, the
/// largest that is fast enough; otherwise the smallest that fits. `None` if none fits.
#[must_use]
pub fn recommend(plans: &[Result<MemoryPlan, DoesNotFit>], cores: usize) -> Option<usize> {
    let allowed = |index: &usize| ALL[*index].commercial_use;
    let fully_on_gpu = |index: &usize| plans[*index].is_ok_and(|plan| plan.gpu_layers == plan.layers);
    let fast_enough = |index: &usize| plans[*index].is_ok() && (*index == 0 || *index == 1 && cores >= MIN_CORES);
    let all = || (0..plans.len().min(ALL.len())).filter(allowed);
    all()
        .rev()
        .find(fully_on_gpu)
        .or_else(|| all().rev().find(fast_enough))
        .or_else(|| all().find(|index| plans[*index].is_ok()))
}

#[cfg(test)]
mod tests {
    use engine::memory_plan::{AvailableMemory, PlanTargets};

    use super::*;

    #[test]
    fn every_entry_is_valid_and_entries_are_sorted_by_size() {
        for entry in ALL {
            let (_, file) = (entry.repository(), entry.file());
            assert!(file.model().contains("q4_k_m"), "{}", entry.name);
            assert!(entry.size.weights < entry.bytes && entry.size.weights > entry.bytes * 9 / 10, "{}", entry.name);
        }
        assert!(ALL.windows(2).all(|pair| pair[0].bytes < pair[1].bytes));
    }

    #[test]
    fn the_recommended_model_suits_the_machine() {
        const GIB: u64 = 1024 * MIB;
        let targets = PlanTargets { context: 16_384, kv_tokens: 24_576, host_cache_bytes: 256 * MIB, batch_size: 512 };
        let recommended = |main: u64, gpu: Option<u64>, cores| {
            let memory = AvailableMemory { main: main * MIB, gpu, shared: false };
            let plans: Vec<_> = ALL.iter().map(|entry| entry.size.plan(&memory, &targets)).collect();
            super::recommend(&plans, cores).map(|index| ALL[index].name.rsplit_once(' ').unwrap().1)
        };
        for (main, gpu, cores, expected) in [
            (8192, None, 2, Some("0.5B")),
            (8192, None, 8, Some("1.5B")),
            (65_536, None, 32, Some("1.5B")),
            (1200, None, 8, Some("0.5B")),
            (8192, Some(2 * GIB), 8, Some("0.5B")),
            (8192, Some(4 * GIB), 8, Some("1.5B")),
            (16_384, Some(8 * GIB), 8, Some("7B")),
            (16_384, Some(24 * GIB), 8, Some("14B")),
            (300, None, 8, None),
        ] {
            assert_eq!(recommended(main, gpu, cores), expected, "{main} {gpu:?} {cores}");
        }
    }
}
