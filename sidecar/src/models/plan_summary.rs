//! Summary of a memory plan in one sentence.

use engine::memory_plan::{KvCacheType, MemoryPlan};

use crate::base::i18n::LocalizedText;

/// How many layers are offloaded to the GPU, and what was reduced to fit. `trained`: context length of the model, in tokens.
pub fn summary(plan: &MemoryPlan, trained: Option<u32>) -> LocalizedText {
    let (layers, gpu) = (plan.layers, plan.gpu_layers);
    let (mut ko, mut en) = match gpu {
        0 => (format!("레이어 {layers}개 모두 CPU"), format!("{layers} of {layers} layers on the processor")),
        _ if gpu == layers => {
            (format!("레이어 {layers}개 모두 GPU"), format!("{layers} of {layers} layers on the GPU"))
        }
        _ => (format!("레이어 {layers}개 중 {gpu}개 GPU"), format!("{gpu} of {layers} layers on the GPU")),
    };
    if plan.kv_cache_type == KvCacheType::Q8_0 {
        ko += ", 메모리가 부족해 KV 캐시를 8비트로 저장";
        en += ", KV cache stored at 8 bits to save memory";
    }
    let (context, shorter) = (plan.context, trained.is_some_and(|context| plan.context < context));
    if shorter {
        ko += &format!(", 컨텍스트는 {context} 토큰까지");
        en += &format!(", context limited to {context} tokens");
    }
    LocalizedText::new(ko, en)
}

#[cfg(test)]
mod tests {
    use engine::memory_plan::Bytes;

    use super::*;

    #[test]
    fn it_reports_the_offloaded_layers_and_every_reduction() {
        let usual = MemoryPlan {
            context: 16_384,
            kv_tokens: 16_384,
            kv_cache_type: KvCacheType::F16,
            batch_size: 512,
            layers: 24,
            gpu_layers: 0,
            main: Bytes::default(),
            gpu: Bytes::default(),
        };
        for (plan, expected) in [
            (usual, "24 of 24 layers on the processor"),
            (MemoryPlan { gpu_layers: 24, ..usual }, "24 of 24 layers on the GPU"),
            (MemoryPlan { gpu_layers: 7, ..usual }, "7 of 24 layers on the GPU"),
            (
                MemoryPlan { kv_cache_type: KvCacheType::Q8_0, context: 4096, ..usual },
                "24 of 24 layers on the processor, KV cache stored at 8 bits to save memory, context limited to \
                 4096 tokens",
            ),
        ] {
            assert_eq!(summary(&plan, Some(16_384)).en, expected);
        }
    }
}
