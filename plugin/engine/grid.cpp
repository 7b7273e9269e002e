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

int hop_of(double sample_rate, int reference_window) {
    const double ideal = static_cast<double>(reference_window) / OVERLAP * sample_rate / REFERENCE_RATE;
    const int nearest = std::max(1, static_cast<int>(std::nearbyint(ideal)));
    const int reach = static_cast<int>(FARTHEST * ideal);
    int best = 0;
    for (int hop = nearest - reach; hop <= nearest + reach; ++hop)
        if (is_smooth(hop) && (best == 0 || std::abs(hop - ideal) < std::abs(best - ideal))) best = hop;
    return best ? best : nearest;
}

}  // namespace

Grid::Grid(double sample_rate, int reference_window)
    : sample_rate(sample_rate), hop(hop_of(sample_rate, reference_window)), window(OVERLAP * hop), bins(window / 2 + 1) {}

Windows make_windows(const Grid& grid) {
    const int length = grid.window;
    Windows windows{std::vector<float>(length), std::vector<float>(length)};
    for (int i = 0; i < length; ++i) {
        const double hann = 0.5 - 0.5 * std::cos(2 * PI * i / length);
        windows.analysis[i] = static_cast<float>(hann * 4 / length);
        // Twice, it sums to 3/8 of the overlap.
        windows.synthesis[i] = static_cast<float>(hann * length / 4 / (0.375 * OVERLAP));
    }
    return windows;
}

}  // namespace stems
