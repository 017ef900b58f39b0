//! What a model file says about its model.

use super::{Error, Header, Value};
use crate::memory_plan::ModelSize;

/// Layers, and tokens of a text, beyond which a number is a mistake.
const MAX_COUNT: u64 = 1 << 30;

/// Facts about a model that are known before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetadata {
    /// What its makers call it.
    pub name: Option<String>,
    /// Its kind, such as `qwen2`.
    pub architecture: String,
    /// How its weights are kept, such as `Q4_K_M`.
    pub quantization: Option<String>,
    /// Its licence, such as `apache-2.0`.
    pub license: Option<String>,
    /// Numbers that it consists of.
    pub parameters: u64,
    /// Bytes of its weights.
    pub weights: u64,
    /// Of those, bytes in front of its layers: they turn tokens into numbers.
    pub embedding_bytes: u64,
    /// Of those, bytes behind its layers: they turn numbers into tokens. A model with one table for both has it here.
    pub output_bytes: u64,
    /// Its layers.
    pub layers: u32,
    /// Tokens of the longest text that it was trained on.
    pub context: u32,
    /// Numbers that a token is to it.
    pub n_embd: u32,
    /// Its attention heads, in the layer that has most.
    pub n_head: u32,
    /// Tokens that it knows.
    pub n_vocab: u32,
    /// Bytes that each token of a conversation takes, at 16 bits a number.
    pub kv_bytes_per_token: u64,
    /// Whether it knows the tokens to fill a gap with.
    pub supports_fim: bool,
    /// Its chat template.
    pub chat_template: Option<String>,
}

impl ModelMetadata {
    /// What has to be found room for.
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
        let own = |name: &str| format!("{architecture}.{name}");
        let count = |name: &str| {
            let name = own(name);
            let number = header.number(&name).ok_or_else(|| missing(&name))?;
            let is_valid = (1..MAX_COUNT).contains(&number);
            let number = u32::try_from(number).ok().filter(|_| is_valid);
            number.ok_or(Error::InvalidValue { name, problem: "cannot be so much, or so little" })
        };
        let (layers, context, n_embd) = (count("block_count")?, count("context_length")?, count("embedding_length")?);
        let tokens = header.array("tokenizer.ggml.tokens");
        let n_vocab = tokens.map(|tokens| tokens.count).or_else(|| header.number(&own("vocab_size"))).unwrap_or(0);
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
            kv_bytes_per_token: kv_bytes_per_token(header, &architecture, layers, n_embd),
            supports_fim: tokens.is_some_and(|tokens| tokens.has_fim_prefix)
                || has_token("fim_pre")
                || has_token("prefix"),
            chat_template: text("tokenizer.chat_template"),
            architecture,
        })
    }
}

/// What a file says about attention in one layer: a number for each, or one for all.
fn of_layer(header: &Header, architecture: &str, name: &str, layer: usize) -> Option<u64> {
    match header.values.get(&format!("{architecture}.attention.{name}"))? {
        Value::Number(number) => Some(*number),
        Value::Array(array) => array.numbers.get(layer).copied(),
        _ => None,
    }
}

/// Attention heads of the layer that has most; 1 where the file does not say.
fn n_head(header: &Header, architecture: &str, layers: u32) -> u32 {
    let max = (0..layers as usize).filter_map(|layer| of_layer(header, architecture, "head_count", layer)).max();
    max.map_or(1, |max| u32::try_from(max.min(MAX_COUNT)).unwrap_or(u32::MAX))
}

/// Bytes that a token takes in the memory of all layers: a key and a value for each head that has its own, 2 bytes a number.
/// Architectures that keep less are counted as if they did not.
fn kv_bytes_per_token(header: &Header, architecture: &str, layers: u32, n_embd: u32) -> u64 {
    let bytes = (0..layers as usize).map(|layer| {
        let own = |name| of_layer(header, architecture, name, layer);
        let heads = own("head_count").unwrap_or(1).max(1);
        let kv_heads = own("head_count_kv").unwrap_or(heads);
        let default_len = u64::from(n_embd) / heads;
        let length = |name| own(name).unwrap_or(default_len);
        let numbers = length("key_length").saturating_add(length("value_length"));
        kv_heads.saturating_mul(numbers).saturating_mul(2)
    });
    bytes.fold(0, u64::saturating_add)
}

/// The name of a mixture of types, by its number in llama.cpp's table of file types.
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
