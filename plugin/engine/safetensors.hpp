#pragma once

#include <map>
#include <string>
#include <vector>

namespace stems {

/// Numbers of any shape, row by row.
struct Tensor {
    std::vector<int> shape;
    std::vector<float> values;
};

/// Reads the content of a `.safetensors` file (https://github.com/huggingface/safetensors) of float tensors.
///
/// Half precision becomes single. Throws ModelError if anything about it is damaged.
std::map<std::string, Tensor> parse_safetensors(const std::string& content);

}  // namespace stems
