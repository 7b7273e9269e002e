#include "grid.hpp"

#include <algorithm>
#include <cmath>

namespace stems {
namespace {

constexpr double PI = 3.14159265358979323846;
constexpr double FARTHEST = 0.002;  // part by which bins may lie off, for the sake of a window that transforms fast
constexpr int SMOOTH = 31;          // largest prime factor of a window: larger ones make the transform slow

bool is_smooth(int number) {
    for (int factor = 2; factor <= SMOOTH; ++factor)
        while (number % factor == 0) number /= factor;
    return number == 1;
}

int windows_in(int reference_window, int reference_synthesis) {
    return reference_synthesis ? reference_window / reference_synthesis : 1;
}

int hop_of(double sample_rate, double reference_synthesis) {
    const double ideal = reference_synthesis / OVERLAP * sample_rate / REFERENCE_RATE;
    const int nearest = std::max(1, static_cast<int>(std::nearbyint(ideal)));
    const int reach = static_cast<int>(FARTHEST * ideal);
    int best = 0;
    for (int hop = nearest - reach; hop <= nearest + reach; ++hop)
        if (is_smooth(hop) && (best == 0 || std::abs(hop - ideal) < std::abs(best - ideal))) best = hop;
    return best ? best : nearest;
}

}  // namespace

Grid::Grid(double sample_rate, int reference_window, int reference_synthesis)
    : sample_rate(sample_rate),
      hop(hop_of(sample_rate, static_cast<double>(reference_window) / windows_in(reference_window, reference_synthesis))),
      synthesis_window(OVERLAP * hop), window(windows_in(reference_window, reference_synthesis) * synthesis_window),
      bins(window / 2 + 1) {}

Windows make_windows(const Grid& grid) {
    const int fall = grid.synthesis_window / 2, rise = grid.window - fall, before = grid.window - grid.synthesis_window;
    std::vector<double> taper(grid.window);
    for (int i = 0; i < rise; ++i) taper[i] = 0.5 - 0.5 * std::cos(PI * i / rise);
    for (int i = 0; i < fall; ++i) taper[rise + i] = 0.5 + 0.5 * std::cos(PI * i / fall);
    Windows windows{std::vector<float>(grid.window), std::vector<float>(grid.synthesis_window)};
    for (int i = 0; i < grid.window; ++i) windows.analysis[i] = static_cast<float>(taper[i] * 4 / grid.window);
    for (int i = 0; i < grid.synthesis_window; ++i) {
        const double hann = 0.5 - 0.5 * std::cos(2 * PI * i / grid.synthesis_window);
        // A squared Hann window sums to 3/8 of the overlap.
        windows.synthesis[i] = static_cast<float>(hann * hann / std::max(taper[before + i], 1e-12) * grid.window / 4 /
                                                  (0.375 * OVERLAP));
    }
    return windows;
}

}  // namespace stems
