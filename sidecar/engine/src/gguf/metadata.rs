//! Model metadata from a GGUF header.

use super::{Error, Header, Value};
use crate::memory_plan::ModelSize;

/// Maximum of the context length and the embedding width; a larger one is an error in the file.
const MAX_COUNT: u64 = (1 << 30) - 1;

/// Maximum of layers; llama.cpp supports 512. Planning takes time for each.
const MAX_LAYERS: u64 = 4096;

/// Maximum of the bytes of one token in the KV cache. Below it, memory plans cannot overflow.
const MAX_KV_BYTES_PER_TOKEN: u64 = 1 << 30;

/// What is known of a model before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Its display name.
    pub name: Option<String>,
    /// Its architecture, such as `qwen2`.
    pub architecture: String,
    /// Its quantisation, such as `Q4_K_M`.
    pub quantization: Option<String>,
    /// Its licence, such as `apache-2.0`.
    pub license: Option<String>,
    /// Number of parameters.
    pub parameters: u64,
    /// Bytes of all weights.
    pub weights: u64,
    /// Of those, bytes of the token embeddings; 0 if they are tied to the output layer.
    pub embedding_bytes: u64,
    /// Of those, bytes of the output layer, with the token embeddings if they are tied to it.
    pub output_bytes: u64,
    /// Number of layers.
    pub layers: u32,
    /// Context length that it was trained with, in tokens.
    pub context: u32,
    /// Embedding width.
    pub n_embd: u32,
    /// Attention heads, of the layer that has the most.
    pub n_head: u32,
    /// Vocabulary size in tokens.
    pub n_vocab: u32,
    /// Bytes of one token in the KV cache, as F16.
    pub kv_bytes_per_token: u64,
    /// Whether it has fill-in-the-middle tokens.
    pub supports_fim: bool,
    /// Its chat template, in Jinja.
    pub chat_template: Option<String>,
}

impl ModelMetadata {
    /// The dimensions that determine its memory use.
    #[must_use]
    pub fn model_size(&self) -> ModelSize {
        ModelSize {
            weights: self.weights,
            embedding_bytes: self.embedding_bytes,
            output_bytes: self.output_bytes,
            layers: self.layers,
            kv_bytes_per_token: self.kv_bytes_per_token,
            n_vocab: self.n_vocab,
            n_embd: self.n_embd,
            n_head: self.n_head,
            context: self.context,
        }
    }

    pub(super) fn of(header: &Header) -> Result<Self, Error> {
        let missing = |name: &str| Error::InvalidValue { name: name.into(), problem: "is missing" };
        let text = |name: &str| header.text(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let architecture = text("general.architecture").ok_or_else(|| missing("general.architecture"))?;
        if header.tensors.bytes == 0 {
            return Err(missing("the table of tensors"));
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let out_of_range = |name: &str| Error::InvalidValue { name: key(name), problem: "is out of range" };
        let count = |name: &str, max: u64| {
            let number = header.number(&key(name)).ok_or_else(|| missing(&key(name)))?;
            let is_valid = (1..=max).contains(&number);
            u32::try_from(number).ok().filter(|_| is_valid).ok_or_else(|| out_of_range(name))
        };
        let layers = count("block_count", MAX_LAYERS)?;
        let (context, n_embd) = (count("context_length", MAX_COUNT)?, count("embedding_length", MAX_COUNT)?);
        let kv_bytes_per_token = kv_bytes_per_token(header, &architecture, layers, n_embd);
        if kv_bytes_per_token > MAX_KV_BYTES_PER_TOKEN {
            return Err(out_of_range("attention.head_count_kv"));
        }
        let tokens = header.array("tokenizer.ggml.tokens");
        let n_vocab = tokens.map(|tokens| tokens.count).or_else(|| header.number(&key("vocab_size"))).unwrap_or(0);
        let (embedding_bytes, output_bytes) = header.tensors.embedding_and_output_bytes();
        let has_token = |name: &str| header.number(&format!("tokenizer.ggml.{name}_token_id")).is_some();
        Ok(Self {
            name: text("general.name"),
            quantization: header.number("general.file_type").and_then(quantization).map(str::to_owned),
            license: text("general.license"),
            parameters: header.tensors.elements,
            weights: header.tensors.bytes,
            embedding_bytes,
            output_bytes,
            layers,
            context,
            n_embd,
            n_head: n_head(header, &architecture, layers),
            n_vocab: u32::try_from(n_vocab).unwrap_or(u32::MAX),
            kv_bytes_per_token,
            supports_fim: tokens.is_some_and(|tokens| tokens.has_fim_prefix)
                || has_token("fim_pre")
                || has_token("prefix"),
            chat_template: text("tokenizer.chat_template"),
            architecture,
        })
    }
}

/// An attention parameter of one layer. The file has one number for each layer, or one for all.
fn attention_param(header: &Header, architecture: &str, name: &str, layer: usize) -> Option<u64> {
    match header.values.get(&format!("{architecture}.attention.{name}"))? {
        Value::Number(number) => Some(*number),
        Value::Array(array) => array.numbers.get(layer).copied(),
        _ => None,
    }
}

/// Attention heads of the layer that has the most; 1 if the file does not specify them.
fn n_head(header: &Header, architecture: &str, layers: u32) -> u32 {
    let max = (0..layers as usize).filter_map(|layer| attention_param(header, architecture, "head_count", layer)).max();
    max.map_or(1, |max| u32::try_from(max.min(MAX_COUNT)).unwrap_or(u32::MAX))
}

/// Bytes of one token in the KV cache of all layers, as F16: a key and a value for each KV head. Architectures with a smaller
/// cache, such as sliding-window attention, are counted as if they had full attention.
fn kv_bytes_per_token(header: &Header, architecture: &str, layers: u32, n_embd: u32) -> u64 {
    let bytes = (0..layers as usize).map(|layer| {
        let param = |name| attention_param(header, architecture, name, layer);
        let heads = param("head_count").unwrap_or(1).max(1);
        let kv_heads = param("head_count_kv").unwrap_or(heads);
        let default_len = u64::from(n_embd) / heads;
        let length = |name| param(name).unwrap_or(default_len);
        let values = length("key_length").saturating_add(length("value_length"));
        kv_heads.saturating_mul(values).saturating_mul(2)
    });
    bytes.fold(0, u64::saturating_add)
}

/// Name of a quantisation, by its id in llama.cpp's table of file types (`llama_ftype`).
fn quantization(number: u64) -> Option<&'static str> {
    const NAMES: &[(u64, &str)] = &[
        (0, "F32"),
        (1, "F16"),
        (2, "Q4_0"),
        (3, "Q4_1"),
        (7, "Q8_0"),
        (8, "Q5_0"),
        (9, "Q5_1"),
        (10, "Q2_K"),
        (11, "Q3_K_S"),
        (12, "Q3_K_M"),
        (13, "Q3_K_L"),
        (14, "Q4_K_S"),
        (15, "Q4_K_M"),
        (16, "Q5_K_S"),
        (17, "Q5_K_M"),
        (18, "Q6_K"),
        (19, "IQ2_XXS"),
        (20, "IQ2_XS"),
        (21, "Q2_K_S"),
        (22, "IQ3_XS"),
        (23, "IQ3_XXS"),
        (24, "IQ1_S"),
        (25, "IQ4_NL"),
        (26, "IQ3_S"),
        (27, "IQ3_M"),
        (28, "IQ2_S"),
        (29, "IQ2_M"),
        (30, "IQ4_XS"),
        (31, "IQ1_M"),
        (32, "BF16"),
        (36, "TQ1_0"),
        (37, "TQ2_0"),
        (38, "MXFP4_MOE"),
    ];
    NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}
