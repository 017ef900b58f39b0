//! How a model was fitted into this machine, in one sentence.

use engine::memory_plan::{KvCacheType, MemoryPlan};

use crate::base::i18n::LocalizedText;

/// The sentence: where its layers are, and what had to be made smaller.
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
        ko += ", 메모리가 부족해 대화는 8비트로 보관";
        en += ", conversations kept at 8 bits for want of memory";
    }
    let (context, shorter) = (plan.context, trained.is_some_and(|context| plan.context < context));
    if shorter {
        ko += &format!(", 대화 하나에 {context} 토큰까지");
        en += &format!(", up to {context} tokens in one conversation");
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
                "24 of 24 layers on the processor, conversations kept at 8 bits for want of memory, up to 4096 tokens in one \
                 conversation",
            ),
        ] {
            assert_eq!(summary(&plan, Some(16_384)).en, expected);
        }
    }
}
