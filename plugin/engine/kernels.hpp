/// The arithmetic that nearly all time is spent in, for the instruction set of the machine that it runs on.
#pragma once

#include <vector>

namespace stems {

constexpr int PANEL = 16;  // columns of a matrix that are multiplied at once

/// The part of each input line that a `Matrix` is given next: `size` numbers from `first` on.
struct Segment {
    const float* first;
    int size;
};

/// How a product finds its lines.
struct Lines {
    int count;
    int stride;      // numbers from one input line to the next
    int out_stride;  // the same of the output, at least the matrix's `padded`
};

/// The kernels of one instruction set.
struct Kernels {
    const char* name;
    /// out = (out or bias) + lines @ weights; `weights` are those of a `Matrix`.
    void (*multiply)(const Segment* segments, int segment_count, Lines lines, const float* weights, const float* bias,
                     float* out, int panels);
    /// One step of LSTM cells: gates (4 * size: input, forget, cell, output, as torch has them) -> output, cell.
    void (*lstm)(const float* gates, int size, float* output, float* cell);
    void (*relu)(const float* in, float* out, int size);
    /// out += in
    void (*add)(const float* in, float* out, int size);
    /// Layer normalisation: out = (in - mean) / deviation * scale + shift
    void (*normalise)(const float* in, const float* scale, const float* shift, float* out, int size);
    /// e ** in, for arguments from -87 to 88.
    void (*exponential)(const float* in, float* out, int size);
};

/// The fastest kernels that this machine can run, or those that `use_kernels` chose.
const Kernels& kernels();

/// Has those of a name used from now on, for tests; false if this machine cannot run them.
bool use_kernels(const char* name);

/// A linear layer, packed for `Kernels::multiply`: panels of `PANEL` columns, each line by line.
class Matrix {
public:
    Matrix() = default;

    /// weights: (rows, columns), row by row; bias: (columns,), or empty for none.
    Matrix(const std::vector<float>& weights, const std::vector<float>& bias, int rows, int columns);

    int rows() const { return rows_; }
    int columns() const { return columns_; }
    /// Columns that are written, a multiple of `PANEL`; those beyond `columns` are zero.
    int padded() const { return panels_ * PANEL; }

    /// out = bias + lines @ weights, where a line is all segments one after the other.
    void apply(const Segment* segments, int segment_count, Lines lines, float* out) const;
    void apply(const float* in, Lines lines, float* out) const;
    /// out += lines @ weights, without the bias.
    void add(const float* in, Lines lines, float* out) const;
    /// About how long `apply` takes of so many lines, in multiplications.
    double cost(int lines) const { return static_cast<double>(lines) * rows_ * padded(); }

private:
    int rows_ = 0, columns_ = 0, panels_ = 0;
    std::vector<float> weights_, bias_;
};

}  // namespace stems
