# The package: pkgs.callPackage ./package.nix { }
# Not built here, since nixpkgs could not be had: Nix reads it, and evaluates it with stand-ins for what it takes.
{ lib, rustPlatform, installShellFiles }:

rustPlatform.buildRustPackage {
  pname = "stubborn";
  version = (lib.importTOML ../../Cargo.toml).package.version;
  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];
  # They want name servers and tools beside them; "audit" in their place.
  doCheck = false;
  doInstallCheck = true;
  installCheckPhase = "$out/bin/stubborn audit --config /dev/null";

  postInstall = ''
    $out/bin/stubborn man --directory man
    installManPage man/*
    installShellCompletion --cmd stubborn \
      --bash <($out/bin/stubborn completions bash) \
      --fish <($out/bin/stubborn completions fish) \
      --zsh <($out/bin/stubborn completions zsh)
    install -Dm 644 -t $out/lib/systemd/system packaging/systemd/stubborn.service packaging/systemd/stubborn.socket
    substituteInPlace $out/lib/systemd/system/stubborn.service --replace-fail /usr/bin/stubborn $out/bin/stubborn
    install -Dm 644 -t $out/lib/systemd/catalog packaging/systemd/stubborn.catalog
  '';

  meta = {
    description = "DNS resolver that refuses to be rebound";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "stubborn";
    platforms = lib.platforms.unix;
  };
}
