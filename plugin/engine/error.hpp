#pragma once

#include <stdexcept>

namespace stems {

/// A model that cannot be used; its message is one sentence that names the file and the remedy.
struct ModelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace stems
