// Finds kernels in source text. Their parameters are not read here: a template deduces them from the function's type.
#include "source.hpp"
#include <algorithm>
#include <cctype>
#include <set>

namespace cuemu {

std::string withoutComments(const std::string &source) {
    std::string out = source;
    auto blank = [&](size_t from, size_t to) {
        for (size_t i = from; i < to && i < out.size(); i++)
            if (out[i] != '\n') out[i] = ' ';
    };
    for (size_t i = 0; i < source.size();) {
        if (source.compare(i, 2, "//") == 0) {
            size_t end = i;
            while (end < source.size() && (source[end] != '\n' || source[end - 1] == '\\')) end++;
            blank(i, end);
            i = end;
        } else if (source.compare(i, 2, "/*") == 0) {
            size_t end = source.find("*/", i + 2);
            end = end == std::string::npos ? source.size() : end + 2;
            blank(i, end);
            i = end;
        } else if (source[i] == '"' || (source[i] == '\'' && (i == 0 || !isalnum((unsigned char)source[i - 1])))) {
            size_t end = i + 1;
            while (end < source.size() && source[end] != source[i] && source[end] != '\n') end += source[end] == '\\' ? 2 : 1;
            // `extern "C"` must stay readable.
            if (source.compare(i, 3, "\"C\"") != 0) blank(i + 1, end);
            i = end + 1;
        } else {
            i++;
        }
    }
    return out;
}

bool needsPreprocessing(const std::string &stripped) {
    for (size_t at = stripped.find('#'); at != std::string::npos; at = stripped.find('#', at + 1)) {
        size_t word = stripped.find_first_not_of(" \t", at + 1);
        if (word == std::string::npos) return false;
        if (stripped.compare(word, 2, "if") == 0 || stripped.compare(word, 7, "include") == 0) return true;
        // A macro's definition goes on over lines that end with a backslash.
        size_t end = stripped.find('\n', word);
        while (end != std::string::npos && stripped[end - 1] == '\\') end = stripped.find('\n', end + 1);
        if (stripped.substr(word, end - word).find("__global__") != std::string::npos) return true;
        at = std::min(end, stripped.size());
    }
    return false;
}

namespace {
struct Tokens {
    const std::string &text;
    size_t at = 0;
    /// The next identifier, literal or single character; "" at the end. Directives are skipped.
    std::string next() {
        while (at < text.size()) {
            if (isspace((unsigned char)text[at])) {
                at++;
            } else if (text[at] == '#') {
                while (at < text.size() && (text[at] != '\n' || text[at - 1] == '\\')) at++;
            } else {
                break;
            }
        }
        if (at >= text.size()) return "";
        size_t begin = at;
        if (text.compare(at, 3, "\"C\"") == 0) {
            at += 3;
        } else if (isalnum((unsigned char)text[at]) || text[at] == '_') {
            while (at < text.size() && (isalnum((unsigned char)text[at]) || text[at] == '_')) at++;
        } else {
            at++;
        }
        return text.substr(begin, at - begin);
    }
    /// The first argument in the brackets that begin here; goes past the closing one.
    std::string firstArgument() {
        std::string argument, token = next();
        int depth = 0;
        bool first = true;
        for (; !token.empty(); token = next()) {
            if (token == "(" && !depth++) continue;
            if (token == ")" && !--depth) break;
            if (token == "," && depth == 1) first = false;
            if (first) argument += token + " ";
        }
        return argument.empty() ? "0" : argument;
    }
};
} // namespace

std::vector<KernelName> kernelNames(const std::string &stripped) {
    std::vector<KernelName> names;
    std::set<std::string> known;
    std::vector<bool> linkage;
    Tokens tokens{stripped};
    // Of the declaration that is being read: whether it has C linkage, is a kernel, and its bounds and last identifier.
    bool external = false, kernel = false;
    std::string bounds = "0", last, previous;
    size_t cDepth = 0;
    auto begin = [&] {
        external = kernel = false;
        bounds = "0";
        last.clear();
    };
    for (std::string token = tokens.next(); !token.empty(); previous = token, token = tokens.next()) {
        if (token == "\"C\"" && previous == "extern") external = true;
        else if (token == "__global__") kernel = true;
        else if (token == "__launch_bounds__") bounds = tokens.firstArgument();
        else if (token == "{") {
            // The body of `extern "C" {`; what it holds has C linkage, as long as nothing but such blocks is around it.
            bool block = previous == "\"C\"";
            linkage.push_back(block);
            cDepth += block;
            begin();
        } else if (token == "}") {
            if (!linkage.empty()) {
                cDepth -= linkage.back();
                linkage.pop_back();
            }
            begin();
        } else if (token == ";") {
            begin();
        } else if (token == "(" && kernel) {
            if ((external || cDepth) && !last.empty() && known.insert(last).second) names.push_back({last, bounds});
            kernel = false;
        } else if (isalpha((unsigned char)token[0]) || token[0] == '_') {
            last = token;
        }
    }
    return names;
}
} // namespace cuemu
