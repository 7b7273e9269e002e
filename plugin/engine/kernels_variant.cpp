// Compiled once for each instruction set, with VARIANT as the name of its namespace. Plain loops of fixed length, which
// compilers turn into vector instructions.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels.hpp"

namespace stems::VARIANT {
namespace {

#if defined(__AVX2__)
constexpr int WIDTH = 8, MOST_LINES = 6;  // floats of a register, and lines whose sums fit into sixteen of them
#else
constexpr int WIDTH = 4, MOST_LINES = 3;
#endif
constexpr int PARTS = PANEL / WIDTH;

#if defined(__GNUC__)
typedef float Vector __attribute__((vector_size(WIDTH * sizeof(float)), aligned(4), may_alias));
#else
struct Vector {
    float values[WIDTH];
    Vector& operator+=(const Vector& other) {
        for (int i = 0; i < WIDTH; ++i) values[i] += other.values[i];
        return *this;
    }
    friend Vector operator*(float factor, const Vector& vector) {
        Vector product;
        for (int i = 0; i < WIDTH; ++i) product.values[i] = factor * vector.values[i];
        return product;
    }
};
#endif

inline const Vector& at(const float* place) { return *reinterpret_cast<const Vector*>(place); }

/// LINES input lines by PANELS panels, whose sums stay in registers.
template <int LINES, int PANELS>
void tile(const Segment* segments, int segment_count, Lines lines, int line, const float* weights, int panel_size,
          const float* start, int start_stride, float* out) {
    Vector sums[LINES][PANELS * PARTS];
    for (int l = 0; l < LINES; ++l)
        for (int p = 0; p < PANELS * PARTS; ++p) sums[l][p] = at(start + l * start_stride + p * WIDTH);
    for (int s = 0; s < segment_count; ++s) {
        const float* in = segments[s].first + line * lines.stride;
        for (int i = 0; i < segments[s].size; ++i, weights += PANEL)
            for (int p = 0; p < PANELS * PARTS; ++p) {
                const Vector weight = at(weights + p / PARTS * panel_size + p % PARTS * WIDTH);
                for (int l = 0; l < LINES; ++l) sums[l][p] += in[l * lines.stride + i] * weight;
            }
    }
    for (int l = 0; l < LINES; ++l)
        for (int p = 0; p < PANELS * PARTS; ++p)
            std::memcpy(out + l * lines.out_stride + p * WIDTH, &sums[l][p], sizeof(Vector));
}

using Tile = void (*)(const Segment*, int, Lines, int, const float*, int, const float*, int, float*);

constexpr Tile TILES[] = {tile<1, 1>, tile<2, 1>, tile<3, 1>, tile<4, 1>, tile<5, 1>, tile<6, 1>};

void multiply(const Segment* segments, int segment_count, Lines lines, const float* weights, const float* bias,
              float* out, int panels) {
    int rows = 0;
    for (int s = 0; s < segment_count; ++s) rows += segments[s].size;
    const int panel_size = rows * PANEL, bias_stride = bias ? 0 : lines.out_stride;
    int panel = 0;
    if (lines.count == 1)  // several panels at a time, so that products need not wait for one another
        for (; panel + 4 <= panels; panel += 4) {
            float* to = out + panel * PANEL;
            const float* start = bias ? bias + panel * PANEL : to;
            tile<1, 4>(segments, segment_count, lines, 0, weights + panel * panel_size, panel_size, start, 0, to);
        }
    for (; panel < panels; ++panel)
        for (int line = 0; line < lines.count; line += MOST_LINES) {
            const int some = lines.count - line < MOST_LINES ? lines.count - line : MOST_LINES;
            float* to = out + line * lines.out_stride + panel * PANEL;
            const float* start = bias ? bias + panel * PANEL : to;
            TILES[some - 1](segments, segment_count, lines, line, weights + panel * panel_size, panel_size, start,
                            bias_stride, to);
        }
}

/// e ** x to about one unit in the last place (Cody & Waite's reduction, then the polynomial of Cephes' expf).
inline float exp_of(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    const float shifted = x * 1.44269504f + 12582912.0f;  // rounds to the nearest whole power of two
    const float power = shifted - 12582912.0f;
    const float r = (x - power * 0.693359375f) + power * 2.12194440e-4f;
    float value = 1.9875691500e-4f;
    value = value * r + 1.3981999507e-3f;
    value = value * r + 8.3334519073e-3f;
    value = value * r + 4.1665795894e-2f;
    value = value * r + 1.6666665459e-1f;
    value = value * r + 5.0000001201e-1f;
    value = value * r * r + r + 1.0f;
    std::int32_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4b400000 + 127) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return value * scale;
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exp_of(-x)); }

inline float tanh_of(float x) { return 1.0f - 2.0f / (1.0f + exp_of(2.0f * x)); }

void lstm(const float* gates, int size, float* output, float* cell) {
    const float *input = gates, *forget = gates + size, *fresh = gates + 2 * size, *give = gates + 3 * size;
    for (int i = 0; i < size; ++i) {
        const float value = sigmoid(forget[i]) * cell[i] + sigmoid(input[i]) * tanh_of(fresh[i]);
        cell[i] = value;
        output[i] = sigmoid(give[i]) * tanh_of(value);
    }
}

void relu(const float* in, float* out, int size) {
    for (int i = 0; i < size; ++i) out[i] = in[i] > 0.0f ? in[i] : 0.0f;
}

void add(const float* in, float* out, int size) {
    for (int i = 0; i < size; ++i) out[i] += in[i];
}

void normalise(const float* in, const float* scale, const float* shift, float* out, int size) {
    float sums[PANEL] = {}, squares[PANEL] = {};
    for (int i = 0; i < size; i += PANEL)
        for (int p = 0; p < PANEL && i + p < size; ++p) sums[p] += in[i + p];
    float mean = 0.0f, variance = 0.0f;
    for (const float sum : sums) mean += sum / size;
    for (int i = 0; i < size; i += PANEL)
        for (int p = 0; p < PANEL && i + p < size; ++p) squares[p] += (in[i + p] - mean) * (in[i + p] - mean);
    for (const float square : squares) variance += square / size;
    const float factor = 1.0f / std::sqrt(variance + 1e-5f);
    for (int i = 0; i < size; ++i) out[i] = (in[i] - mean) * factor * scale[i] + shift[i];
}

void exponential(const float* in, float* out, int size) {
    for (int i = 0; i < size; ++i) out[i] = exp_of(in[i]);
}

}  // namespace

#define TEXT_OF(name) #name
#define NAME_OF(name) TEXT_OF(name)
extern const Kernels KERNELS;
const Kernels KERNELS{NAME_OF(VARIANT), multiply, lstm, relu, add, normalise, exponential};

}  // namespace stems::VARIANT
