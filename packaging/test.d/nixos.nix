# The module with the example of its head, evaluated with as little of nixpkgs as it touches.
let
  lib = {
    types = { package = "package"; bool = "bool"; };
    mkOption = option: option;
    mkEnableOption = name: { description = name; };
    mkIf = condition: content: if condition then content else { };
    literalExpression = text: text;
    importTOML = path: builtins.fromTOML (builtins.readFile path);
    cleanSource = path: "source";
    licenses = { mit = "MIT"; asl20 = "Apache-2.0"; };
    platforms.unix = [ ];
  };
  pkgs = {
    callPackage = path: _: import path {
      inherit lib;
      installShellFiles = "installShellFiles";
      rustPlatform.buildRustPackage = package: {
        inherit (package) pname version meta postInstall;
        outPath = "/nix/store/stubborn";
      };
    };
    formats.toml = _: {
      type = "toml";
      generate = name: settings: "/nix/store/${name}";
    };
    runCommand = name: _: script: { inherit name script; };
  };
  module = import ../nix/module.nix {
    inherit lib pkgs;
    config.services.stubborn = {
      enable = true;
      setResolvConf = true;
      package = pkgs.callPackage ../nix/package.nix { };
      settings.upstream.servers = [ "9.9.9.9" "149.112.112.112" ];
      settings.exception = [ { domain = "nas.example.org"; networks = [ "192.168.1.0/24" ]; } ];
    };
  };
in
{
  options = builtins.attrNames module.options.services.stubborn;
  inherit (module.config) assertions networking;
  inherit (module.config.systemd.services.stubborn) wantedBy;
  inherit (builtins.head module.config.systemd.packages) version;
  check = module.config.environment.etc."stubborn/stubborn.toml".source.script;
}
