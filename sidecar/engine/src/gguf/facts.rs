//! What a model file says about its model.

use super::{Flaw, Head, Value};
use crate::fit::Need;

/// Tokens of a context, and numbers of an embedding, beyond which a number is a mistake.
const MOST: u64 = 1 << 30;

/// Layers beyond which a number is a mistake; llama.cpp supports 512. Planning takes time for each.
const MAX_LAYERS: u64 = 4096;

/// Bytes of a token in the KV cache beyond which a number is a mistake. Below it, plans cannot overflow.
const MAX_TOKEN_BYTES: u64 = 1 << 30;

/// Facts about a model that are known before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
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
    pub input: u64,
    /// Of those, bytes behind its layers: they turn numbers into tokens. A model with one table for both has it here.
    pub output: u64,
    /// Its layers.
    pub layers: u32,
    /// Tokens of the longest text that it was trained on.
    pub context: u32,
    /// Numbers that a token is to it.
    pub width: u32,
    /// Its attention heads, in the layer that has most.
    pub heads: u32,
    /// Tokens that it knows.
    pub vocabulary: u32,
    /// Bytes that each token of a conversation takes, at 16 bits a number.
    pub token_bytes: u64,
    /// Whether it knows the tokens to fill a gap with.
    pub fills: bool,
    /// Its chat template.
    pub template: Option<String>,
}

impl Facts {
    /// What has to be found room for.
    #[must_use]
    pub fn need(&self) -> Need {
        Need {
            weights: self.weights,
            input: self.input,
            output: self.output,
            layers: self.layers,
            token: self.token_bytes,
            vocabulary: self.vocabulary,
            width: self.width,
            heads: self.heads,
            context: self.context,
        }
    }

    pub(super) fn of(head: &Head) -> Result<Self, Flaw> {
        let missing = |name: &str| Flaw::Value { name: name.into(), problem: "is missing" };
        let text = |name: &str| head.text(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let architecture = text("general.architecture").ok_or_else(|| missing("general.architecture"))?;
        if head.tensors.bytes == 0 {
            return Err(missing("the table of tensors"));
        }
        let own = |name: &str| format!("{architecture}.{name}");
        let impossible = |name: &str| Flaw::Value { name: own(name), problem: "cannot be so much, or so little" };
        let count = |name: &str, most: u64| {
            let number = head.number(&own(name)).ok_or_else(|| missing(&own(name)))?;
            let fine = (1..=most).contains(&number);
            u32::try_from(number).ok().filter(|_| fine).ok_or_else(|| impossible(name))
        };
        let layers = count("block_count", MAX_LAYERS)?;
        let (context, width) = (count("context_length", MOST - 1)?, count("embedding_length", MOST - 1)?);
        let token_bytes = token_bytes(head, &architecture, layers, width);
        if token_bytes > MAX_TOKEN_BYTES {
            return Err(impossible("attention.head_count_kv"));
        }
        let tokens = head.array("tokenizer.ggml.tokens");
        let vocabulary = tokens.map(|tokens| tokens.count).or_else(|| head.number(&own("vocab_size"))).unwrap_or(0);
        let (input, output) = head.tensors.ends();
        let mark = |name: &str| head.number(&format!("tokenizer.ggml.{name}_token_id")).is_some();
        Ok(Self {
            name: text("general.name"),
            quantization: head.number("general.file_type").and_then(quantization).map(str::to_owned),
            license: text("general.license"),
            parameters: head.tensors.elements,
            weights: head.tensors.bytes,
            input,
            output,
            layers,
            context,
            width,
            heads: heads(head, &architecture, layers),
            vocabulary: u32::try_from(vocabulary).unwrap_or(u32::MAX),
            token_bytes,
            fills: tokens.is_some_and(|tokens| tokens.fills) || mark("fim_pre") || mark("prefix"),
            template: text("tokenizer.chat_template"),
            architecture,
        })
    }
}

/// What a file says about attention in one layer: a number for each, or one for all.
fn of_layer(head: &Head, architecture: &str, name: &str, layer: usize) -> Option<u64> {
    match head.values.get(&format!("{architecture}.attention.{name}"))? {
        Value::Number(number) => Some(*number),
        Value::Array(array) => array.numbers.get(layer).copied(),
        _ => None,
    }
}

/// Attention heads of the layer that has most; 1 where the file does not say.
fn heads(head: &Head, architecture: &str, layers: u32) -> u32 {
    let most = (0..layers as usize).filter_map(|layer| of_layer(head, architecture, "head_count", layer)).max();
    most.map_or(1, |most| u32::try_from(most.min(MOST)).unwrap_or(u32::MAX))
}

/// Bytes that a token takes in the memory of all layers: a key and a value for each head that has its own, 2 bytes a number.
/// Architectures that keep less are counted as if they did not.
fn token_bytes(head: &Head, architecture: &str, layers: u32, width: u32) -> u64 {
    let bytes = (0..layers as usize).map(|layer| {
        let own = |name| of_layer(head, architecture, name, layer);
        let heads = own("head_count").unwrap_or(1).max(1);
        let kept = own("head_count_kv").unwrap_or(heads);
        let usual = u64::from(width) / heads;
        let length = |name| own(name).unwrap_or(usual);
        let numbers = length("key_length").saturating_add(length("value_length"));
        kept.saturating_mul(numbers).saturating_mul(2)
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
