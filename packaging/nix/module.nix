# The module of NixOS:
#
#   imports = [ ./packaging/nix/module.nix ];
#   services.stubborn = {
#     enable = true;
#     settings.upstream.servers = [ "9.9.9.9" "149.112.112.112" ];
#     settings.exception = [ { domain = "nas.example.org"; networks = [ "192.168.1.0/24" ]; } ];
#   };
#
# The unit is the one of packaging/systemd, with its sandbox as it is there. The configuration lies in the store, so that
# "stubborn allow" prints the lines to put here in place of writing them.
# Not run on NixOS, which could not be had: Nix reads it, and evaluates it with stand-ins for nixpkgs (packaging/test.d/70-others).
{ config, lib, pkgs, ... }:

let
  cfg = config.services.stubborn;
  toml = pkgs.formats.toml { };
  file = toml.generate "stubborn.toml" cfg.settings;
in
{
  options.services.stubborn = {
    enable = lib.mkEnableOption "stubborn, a DNS resolver that refuses to be rebound";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package to use.";
    };

    settings = lib.mkOption {
      type = toml.type;
      default = { };
      description = "What stands in stubborn.toml; see stubborn.toml(5).";
    };

    setResolvConf = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether this machine asks stubborn, and nobody else. Wants `settings.upstream.servers`.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.setResolvConf -> (cfg.settings.upstream.servers or [ "system" ]) != [ "system" ];
        message = "services.stubborn: name the servers to ask in settings.upstream.servers, or set setResolvConf = false";
      }
    ];

    environment.systemPackages = [ cfg.package ];
    # Checked when the system is built: one with an error is none.
    environment.etc."stubborn/stubborn.toml".source = pkgs.runCommand "stubborn.toml" { } ''
      ${cfg.package}/bin/stubborn check --config ${file}
      cp ${file} $out
    '';

    systemd.packages = [ cfg.package ];
    systemd.services.stubborn.wantedBy = [ "multi-user.target" ];

    networking = lib.mkIf cfg.setResolvConf {
      nameservers = [ "127.0.0.1" "::1" ];
      resolvconf.useLocalResolver = true;
    };
  };
}
