#include "import/pt2.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "import/aten.h"
#include "import/file_errors.h"
#include "import/mapped_file.h"
#include "import/pt2/archive.h"
#include "import/pt2/weights.h"

namespace tenon::import {
namespace {

constexpr std::string_view kModels = "models/", kJson = ".json";
constexpr std::string_view kExport = "write it with torch.export.save in PyTorch 2.9 or newer";

std::unexpected<Error> unsupported(std::string message, std::string_view advice = kExport) {
  return fail(ErrorKind::kUnsupported, std::move(message), {}, std::string(advice));
}

/// Archives of other kinds, by what they hold.
Result<void> check_kind(pt2::Archive& archive) {
  if (archive.has("serialized_exported_program.json")) {
    return unsupported("a .pt2 file of PyTorch 2.7 or older, whose weights are pickles");
  }
  if (archive.has("data.pkl")) {
    return unsupported(archive.has("constants.pkl")
                           ? "a TorchScript file, whose code is a pickle"
                           : "a checkpoint of torch.save, which holds no graph and is a pickle");
  }
  if (!archive.has("archive_format")) {
    return fail(ErrorKind::kBadModel, "no archive of torch.export.save", {}, std::string(kExport));
  }
  TENON_TRY(const std::string_view format, archive.read_text("archive_format"));
  TENON_TRY(const std::string_view version, archive.read_text("archive_version"));
  if (format != "pt2" || version != "0") {
    return unsupported("an archive of another format or version");
  }
  if (archive.has("byteorder")) {
    TENON_TRY(const std::string_view order, archive.read_text("byteorder"));
    if (order != "little") return unsupported("weights that are not little-endian");
  }
  return {};
}

/// The name of the one model in the archive.
Result<std::string> model_in(const pt2::Archive& archive) {
  std::vector<std::string> names = archive.paths(kModels, kJson);
  for (std::string& name : names) {
    name = name.substr(kModels.size(), name.size() - kModels.size() - kJson.size());
  }
  if (names.size() == 1) return names[0];
  if (names.empty() && !archive.paths("data/aotinductor/", "").empty()) {
    return unsupported("a package of AOTInductor, which holds compiled code and no graph");
  }
  if (names.empty()) return fail(ErrorKind::kBadModel, "no model in the archive");
  return unsupported(fmt::format("several models in one archive ({})", fmt::join(names, ", ")),
                     "save each in a file of its own");
}

Result<ir::Module> import_archive(const std::shared_ptr<pt2::Archive>& archive,
                                  const ImportOptions& options) {
  TENON_TRY_DO(check_kind(*archive));
  TENON_TRY(const std::string model, model_in(*archive));
  TENON_TRY(pt2::Weights weights, pt2::Weights::open(*archive, model, options.limits));
  TENON_TRY(const std::string_view json,
            archive->read_text(fmt::format("{}{}{}", kModels, model, kJson)));
  const Payloads payloads = [&](const AtenInput& input) -> Result<std::optional<TensorBytes>> {
    if (input.kind == AtenInput::Kind::kUser) return std::nullopt;
    return weights.read(input);
  };
  return import_aten(json, payloads, options);
}

}  // namespace

Result<ir::Module> import_pt2(std::span<const std::byte> bytes,
                              std::shared_ptr<const void> keep_alive,
                              const ImportOptions& options) {
  TENON_TRY(pt2::Archive opened, pt2::Archive::open(bytes));
  const auto archive = std::make_shared<pt2::Archive>(std::move(opened));
  TENON_TRY(ir::Module module, import_archive(archive, options));
  module.keep_alive(std::move(keep_alive));
  module.keep_alive(archive);
  return module;
}

Result<ir::Module> import_pt2(const std::filesystem::path& file, const ImportOptions& options) {
  TENON_TRY(auto mapped, MappedFile::open(file));
  return import_named(file, options, [&](const ImportOptions& with) {
    return import_pt2(mapped->bytes(), mapped, with);
  });
}

}  // namespace tenon::import
