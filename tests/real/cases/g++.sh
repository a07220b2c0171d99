# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# g++ compiles a file full of templates: the object files are the same byte by byte, and the program runs.
weight=light
packages='g++ libc6-dev binutils'
programs='/usr/bin/g++ /usr/lib/gcc/*/*/cc1plus'

job() {
    cat >templates.cc <<'END'
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

template <int N> struct fibonacci {
    static constexpr unsigned long value = fibonacci<N - 1>::value + fibonacci<N - 2>::value;
};
template <> struct fibonacci<0> {
    static constexpr unsigned long value = 0;
};
template <> struct fibonacci<1> {
    static constexpr unsigned long value = 1;
};

template <std::size_t... I> auto squares(std::index_sequence<I...>) {
    return std::make_tuple((I * I)...);
}

struct leaf {
    int value;
};
struct tree;
using node = std::variant<leaf, std::unique_ptr<tree>>;
struct tree {
    node left, right;
};

static node grow(int depth) {
    if (depth == 0) {
        return leaf{1};
    }
    auto made = std::make_unique<tree>();
    made->left = grow(depth - 1);
    made->right = grow(depth - 1);
    return made;
}

static long sum(const node &n) {
    return std::visit(
        [](const auto &inner) -> long {
            if constexpr (std::is_same_v<std::decay_t<decltype(inner)>, leaf>) {
                return inner.value;
            } else {
                return sum(inner->left) + sum(inner->right);
            }
        },
        n);
}

int main() {
    std::cout << fibonacci<80>::value << '\n';
    auto all = squares(std::make_index_sequence<60>{});
    std::cout << std::apply([](auto... each) { return (each + ...); }, all) << '\n';
    std::map<std::string, std::vector<std::shared_ptr<int>>> groups;
    for (int i = 0; i < 20000; i++) {
        groups["g" + std::to_string(i % 97)].push_back(std::make_shared<int>(i));
    }
    long total = 0;
    for (const auto &[name, members] : groups) {
        total += std::accumulate(members.begin(), members.end(), 0L, [](long s, const auto &m) { return s + *m; });
    }
    std::cout << groups.size() << ' ' << total << '\n';
    std::cout << sum(grow(12)) << '\n';
    std::regex words("([a-z]+)-([0-9]+)");
    std::string text = "alpha-1 beta-22 gamma-333";
    for (std::sregex_iterator it(text.begin(), text.end(), words), end; it != end; ++it) {
        std::cout << (*it)[2] << ':' << (*it)[1] << '\n';
    }
    std::unordered_map<std::string, std::function<int(int)>> table;
    for (int i = 0; i < 500; i++) {
        table.emplace(std::string(static_cast<std::size_t>(i % 50), 'x') + std::to_string(i),
                      [i](int x) { return x * i; });
    }
    std::cout << table.at("xxxxx5")(6) << '\n';
    try {
        throw std::runtime_error(std::string(1000, 'e'));
    } catch (const std::exception &error) {
        std::cout << std::string(error.what()).size() << '\n';
    }
}
END
    g++ -std=c++17 -O1 -ffile-prefix-map="$PWD"=. -frandom-seed=1 -c templates.cc -o templates.o
    sha256sum templates.o
    g++ templates.o -o templates
    ./templates
    sed 's/grow(12)/grow("12")/' templates.cc >wrong.cc
    g++ -std=c++17 -fsyntax-only wrong.cc 2>&1 || echo "status $?"
}
